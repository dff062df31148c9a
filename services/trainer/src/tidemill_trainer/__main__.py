"""`python -m tidemill_trainer` runs the service."""

from tidemill_trainer.app import main

if __name__ == "__main__":
    main()
