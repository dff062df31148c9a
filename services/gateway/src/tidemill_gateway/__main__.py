"""`python -m tidemill_gateway`: run the service."""

from tidemill_runtime.lifecycle import run
from tidemill_runtime.settings import load_settings

from tidemill_gateway.app import components
from tidemill_gateway.settings import GatewaySettings

if __name__ == "__main__":
    settings = load_settings(GatewaySettings)
    run("gateway", settings, components(settings))
