"""The first line at 80 columns: the areas stay within reach, whatever else must be said."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from screens.deployments import DeploymentsScreen
from tests.fakes.services import FakeServices
from tests.screens.console import page, showing, wait_until

LONG = "arn:aws:eks:eu-west-1:1234:cluster/prod"


@pytest.mark.parametrize(("read_only", "production", "context"), product((False, True), (False, True), ("prod", LONG)))
async def test_a_certificate_that_is_not_verified_leaves_room_for_the_areas(
    read_only: bool, production: bool, context: str
) -> None:
    world = FakeServices(read_only=read_only, simulated=False, context=context)
    world.session = replace(world.session, insecure=True, production=production)
    async with showing(world, DeploymentsScreen()) as pilot:
        line = page(pilot.app).splitlines()[0]
        assert "no TLS check" in line
        assert line.rstrip().endswith("6")
        assert ("▲ " in line) == production
        assert ("read-only" in line) == read_only


async def test_a_wide_line_says_it_in_full_beside_the_round_trip() -> None:
    world = FakeServices()
    world.session = replace(world.session, insecure=True)
    async with showing(world, DeploymentsScreen(), size=(160, 48)) as pilot:
        line = page(pilot.app).splitlines()[0]
        assert "41 ms  TLS not verified" in line
        assert "Usage" in line


async def test_who_one_is_stands_there_once_the_cluster_has_said_so() -> None:
    world = FakeServices()
    world.access.identity = None
    async with showing(world, DeploymentsScreen(), size=(160, 48)) as pilot:
        assert "41 ms  simulated" in page(pilot.app).splitlines()[0]
        world.access.identity = "vera"
        world.picture.tell()
        await wait_until(pilot, lambda: "41 ms  vera  simulated" in page(pilot.app).splitlines()[0])
