"""`python -m tidemill_registry` runs the service."""

from tidemill_registry.app import main

if __name__ == "__main__":
    main()
