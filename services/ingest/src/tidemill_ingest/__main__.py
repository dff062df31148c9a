"""`python -m tidemill_ingest` runs the service."""

from tidemill_ingest.app import main

if __name__ == "__main__":
    main()
