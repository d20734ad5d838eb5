from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from app.formats.registry import profile_for, versions
from app.formats.schema import compile_schema, explaining_schema

XS = "http://www.w3.org/2001/XMLSchema"


def test_versions_are_known_by_the_wire_s_word() -> None:
    assert versions() == ("1.0",)
    profile = profile_for("1.0")
    assert profile is not None
    assert profile.version == "1.0"
    assert profile_for("9.9") is None


@pytest.mark.parametrize("version", versions())
def test_a_profile_s_schema_compiles_for_the_gate_and_for_explaining(version: str) -> None:
    profile = profile_for(version)
    assert profile is not None
    compile_schema(profile.schema_path)
    explained = explaining_schema(profile.schema_path)
    names = (profile.package_name, profile.header_name, profile.transcript_name)
    assert {f"{{{profile.namespace}}}{name}" for name in names} <= set(explained.maps.elements)


@pytest.mark.parametrize("version", versions())
def test_every_type_of_value_says_in_both_languages_what_it_expects(version: str) -> None:
    profile = profile_for(version)
    assert profile is not None
    schema = etree.parse(profile.schema_path)
    for kind in schema.iterfind(f"{{{XS}}}simpleType"):
        words = kind.findall(f"{{{XS}}}annotation/{{{XS}}}documentation")
        assert [word.get("{http://www.w3.org/XML/1998/namespace}lang") for word in words] == ["vi", "en"]
        assert all(word.text for word in words)


@pytest.mark.parametrize("load", [compile_schema, explaining_schema])
def test_a_schema_that_needs_what_is_not_at_hand_is_not_loaded(
    load: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "other.xsd"
    wanted = "<xs:import namespace='urn:x' schemaLocation='http://x/'/>"
    path.write_text(f"<xs:schema xmlns:xs='{XS}'>{wanted}</xs:schema>")
    with pytest.raises((RuntimeError, etree.XMLSchemaParseError), match="urn:x"):
        load(path)
