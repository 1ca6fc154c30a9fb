# SPDX-License-Identifier: MIT
"""A cluster of three nodes while parts of it stop, die and come back: nothing that was
accepted is lost, repeats are what was in flight, and all copies are equal afterwards."""

import pytest

from cluster_cases import (  # noqa: F401: fixtures, too
    cluster_of, kill_roles, kill_the_lead, kill_the_server_that_leads, on_one_machine,
    on_servers, servers, stop_and_wake_the_lead, stop_the_lead)
from cluster_world import WINDOW


@pytest.mark.slow
def test_the_lead_stops_and_dies(on_one_machine):  # noqa: F811
    said = [stop_the_lead(on_one_machine), kill_the_lead(on_one_machine),
            kill_roles(on_one_machine)]
    # What was in flight when the lead, its dispatcher and its replicator died.
    repeats = on_one_machine.judge(3 * WINDOW)
    print(*said, f"{on_one_machine.accepted} events, {repeats} repeats")


@pytest.mark.slow
def test_a_server_dies_and_the_lead_hangs(on_servers, servers):  # noqa: F811
    said = [kill_the_server_that_leads(on_servers, servers),
            stop_and_wake_the_lead(on_servers)]
    repeats = on_servers.judge(2 * WINDOW)
    print(*said, f"{on_servers.accepted} events, {repeats} repeats")
