import asyncio

from service.kit.shutdown import Shutdown


def test_whoever_waits_is_woken_at_once() -> None:
    async def scenario() -> bool:
        shutdown = Shutdown()
        waiting = asyncio.create_task(shutdown.wait(seconds=3600))
        await asyncio.sleep(0)
        shutdown.set()
        return await waiting and shutdown.is_set()

    assert asyncio.run(scenario())


def test_waiting_ends_without_a_shutdown_too() -> None:
    async def scenario() -> bool:
        return await Shutdown().wait(seconds=0.001)

    assert not asyncio.run(scenario())
