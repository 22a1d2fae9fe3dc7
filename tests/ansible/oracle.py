"""Ansible's own inventory command, once for many inventories: paths on stdin, a line of JSON for each on stdout.

The lists are those of `ansible-inventory --list`; null where Ansible could not read the inventory.
"""
import json
import os
import sys
import tempfile

os.environ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
from ansible.cli.inventory import InventoryCLI  # noqa: E402
from ansible.utils import context_objects  # noqa: E402
from ansible.utils.display import Display  # noqa: E402

Display.warning = Display.deprecated = lambda *args, **kwargs: None


def listed(path):
    # The command line is kept in a singleton; each inventory is a command line of its own.
    context_objects.GlobalCLIArgs._Singleton__instance = None
    handle, output = tempfile.mkstemp()
    os.close(handle)
    try:
        InventoryCLI(["ansible-inventory", "-i", path, "--list", "--output", output]).run()
    except SystemExit:
        pass
    except Exception:
        return None
    with open(output, encoding="utf-8") as f:
        text = f.read()
    os.unlink(output)
    return json.loads(text) if text else None


for line in sys.stdin:
    path = line.rstrip("\n")
    print(json.dumps({"path": path, "list": listed(path)}), flush=True)
