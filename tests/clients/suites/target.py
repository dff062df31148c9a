"""The gateway that a suite is run against, handed over as JSON."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Target:
    """Addresses as host:port; models by name, the identities by their datatype."""

    rest: str
    grpc: str
    identities: Mapping[str, str]
    classifier: str
    slow: str

    @property
    def models(self) -> dict[str, str]:
        """Every model's name in the gateway by what it is."""
        return {**self.identities, "classifier": self.classifier, "slow": self.slow}

    def to_json(self) -> str:
        """As a suite takes it in its first argument."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_arguments() -> "Target":
        """The one that this process was given."""
        return Target(**json.loads(sys.argv[1]))
