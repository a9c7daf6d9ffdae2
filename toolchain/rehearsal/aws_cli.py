"""The stand-in for the AWS CLI: a kubeconfig for EKS asks it for a token."""

import json
from pathlib import Path

# The answer is the credential plugins' own format, which the AWS CLI speaks.
_SCRIPT = """\
#!/bin/sh
# Stand-in for the AWS CLI in a rehearsal: gives the token of the rehearsal's own API server, and does nothing else.
case " $* " in
  *" eks get-token "*) printf '%s\\n' '{credential}' ;;
  *) echo "aws: this is a stand-in in a rehearsal; it knows only 'eks get-token', not: $*" >&2; exit 2 ;;
esac
"""


def install(folder: Path, token: str) -> None:
    """Put it into a folder that goes on PATH, readable by its owner only."""
    credential = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {},
        "status": {"token": token},
    }
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "aws"
    program.touch(mode=0o700)
    program.write_text(_SCRIPT.replace("{credential}", json.dumps(credential)), encoding="utf-8")
