# SPDX-License-Identifier: MIT
"""deploy/examples: the receiver in Python, with the library that the tests have anyway. All of
them are run by tests/clients/run, with the packages that they name."""

import sys

from support import ROOT
from test_docs import PROGRAM

sys.path.append(str(ROOT / "tests/clients"))


def test_the_receiver_takes_what_is_signed(tmp_path):
    from examples import EXAMPLES, check_receiver

    check_receiver([sys.executable, EXAMPLES / "receiver-python/receiver.py"], tmp_path,
                   PROGRAM)
