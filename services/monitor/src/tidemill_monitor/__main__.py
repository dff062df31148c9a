"""`python -m tidemill_monitor`."""

from tidemill_monitor.app import main

if __name__ == "__main__":
    main()
