from lxml import etree

from app.formats.place import Place, local_name

ROOT = etree.fromstring("<HocBa xmlns='urn:a'>\n<A/>\n<B/><A><C/></A></HocBa>")


def test_a_path_names_the_package_and_positions_among_namesakes() -> None:
    place = Place(prefix="/GoiHocBa", name="HocBa", position=3, line=10)
    assert place.xpath == "/GoiHocBa/HocBa[3]"
    assert place.xpath_of(ROOT) == "/GoiHocBa/HocBa[3]"
    assert place.xpath_of(ROOT[0]) == "/GoiHocBa/HocBa[3]/A[1]"
    assert place.xpath_of(ROOT[1]) == "/GoiHocBa/HocBa[3]/B"
    assert place.xpath_of(ROOT[2][0]) == "/GoiHocBa/HocBa[3]/A[2]/C"


def test_a_transcript_that_came_alone_has_paths_from_its_own_root() -> None:
    assert Place().xpath_of(ROOT[1]) == "/HocBa/B"
    assert Place().line_of(ROOT[1]) == 3


def test_lines_are_those_of_the_package() -> None:
    assert Place(line=10).line_of(ROOT) == 10
    assert Place(line=10).line_of(ROOT[2][0]) == 12


def test_a_local_name_has_no_namespace() -> None:
    assert local_name(ROOT) == "HocBa"


def test_a_path_is_short_whatever_names_are_made_up() -> None:
    names = [letter * 40_000 for letter in "abcdefgh"]
    text = "".join(f"<{name}>" for name in names) + "<c/>" + "".join(f"</{name}>" for name in names[::-1])
    root = etree.fromstring(f"<HocBa>{text}</HocBa>")
    (innermost,) = root.iter("c")

    path = Place().xpath_of(innermost)

    assert path.startswith(f"/HocBa/{'a' * 39}…/{'b' * 39}…/")
    assert path.endswith("…/c")
    assert len(path) < 400
