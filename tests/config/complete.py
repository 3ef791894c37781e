"""The examples of docs/configuration.md, and one document with every option in every place."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def complete() -> dict[str, Any]:
    """The page's longest example, with all that an agent can have for the other agents too."""
    document: dict[str, Any] = yaml.safe_load(max(EXAMPLES, key=len))
    agent = document["agents"]["alice"]
    return {**document, "manager": copy.deepcopy(agent), "agentDefaults": copy.deepcopy(agent)}
