"""What schools get wrong is refused with its own family of causes, and the rest of the package is taken."""

from app.demo.mistakes import MISTAKES
from app.demo.transcripts import compose_school, sign_composed
from tests.builders.world import SIGNED, World


async def test_each_mistake_is_refused_with_its_own_family_and_the_others_are_taken(world: World) -> None:
    school = world.school("03")
    await world.enrol(school)
    right, *others = compose_school(world.province, school, signed_at=SIGNED)
    for mistake in MISTAKES:
        wrong = mistake.make(others[0], SIGNED)
        package = world.package(school, [sign_composed(right, signed_at=SIGNED), wrong])
        result = await world.send(school, package)
        first, second = result["items"]
        assert first["outcome"] == "accepted", mistake.name
        assert second["outcome"] == "rejected", mistake.name
        errors = [item for item in second["findings"] if item["severity"] == "error"]
        assert {item["code"][:2] for item in errors} == {mistake.family}, mistake.name
        assert all(item["message_vi"] and item["hint"] and item["xpath"] for item in errors)
