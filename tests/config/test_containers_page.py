"""The page on containers: its configuration holds, and fits what an installation makes."""

import re
import textwrap
from pathlib import Path

import yaml

from hyperhive import config
from hyperhive.nspawn.launch_policy import AgentPolicy, Bind, Policy, RootSize
from hyperhive.protocol.schema import camel, fields_of
from nested.install import BUNDLES, POLICY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/containers.md").read_text()


def test_its_configuration_fits_the_installation() -> None:
    (example,) = re.findall(r"^ *```yaml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    read = config.read(yaml.safe_load(textwrap.dedent(example)))
    assert read.runtime.kind == "nspawn"
    assert read.runtime.default_bundle == str(BUNDLES / "default")
    assert read.state_dir == f"{POLICY['stateDir']}/service"
    assert read.run_dir == f"{POLICY['runDir']}/service"
    unit = (ROOT / "packaging/systemd/hyperhive.service").read_text()
    name = Path(read.credential_file).name
    assert f"\nLoadCredential={name}:/etc/hyperhive/credential\n" in unit
    assert read.credential_file == f"/run/credentials/hyperhive.service/{name}"


def test_every_field_of_the_policy_is_explained() -> None:
    table = PAGE.partition("### The policy")[2].partition("\n### ")[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert explained == {camel(name) for name in fields_of(Policy)}
    within = [camel(name) for cls in (AgentPolicy, Bind, RootSize) for name in fields_of(cls)]
    assert [name for name in within if f"`{name}`" not in table] == []


def test_the_readmes_configuration_holds() -> None:
    text = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert config.read(yaml.safe_load(example)).runtime.kind == "local"
