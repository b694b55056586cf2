"""Laws of `gateway.pages.branding`."""

from __future__ import annotations

import pytest

from gateway.pages.branding import Branding, brand_style, contrast, lighten_for_dark


def test_contrast_is_wcags() -> None:
    """Black on white is 21, a colour on itself 1, and the order does not matter."""
    assert 21.0 == pytest.approx(contrast("#000000", "#ffffff"))
    assert 1.0 == contrast("#336699", "#336699")
    assert contrast("#777777", "#ffffff") == contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"accent": "#ffcc00"}, "accent #ffcc00 has a contrast of 1.4"),
        ({"accent_dark": "#1d5fbf"}, "accent_dark #1d5fbf has a contrast of 2."),
        ({"accent": "red"}, "accent is a colour like #1d5fbf"),
        ({"accent": "#123456;}body{display:none"}, "accent is a colour like"),
        ({"imprint": "javascript:alert(1)"}, "imprint is an address"),
        ({"privacy": "/privacy"}, "privacy is an address"),
    ],
)
def test_what_could_not_be_read_is_refused(given: dict[str, str], told: str) -> None:
    """A colour without contrast, one that is more than a colour, and an address that is none of the web's."""
    with pytest.raises(ValueError, match=told):
        Branding(**given)


@pytest.mark.parametrize("accent", ["#1d5fbf", "#000000", "#7a1fa2", "#00695c"])
def test_a_dark_accent_has_a_light_twin(accent: str) -> None:
    """What is read on light surfaces is made light enough for dark ones, and both are taken."""
    twin = lighten_for_dark(accent)
    style = brand_style(Branding(accent=accent, accent_dark=twin))
    assert f"--accent:{accent};--on:#ffffff" in style
    assert f"--accent:{twin}" in style


def test_a_light_accent_keeps_itself_in_the_dark() -> None:
    """Nothing is mixed in that is not needed."""
    assert "#8ab4f8" == lighten_for_dark("#8ab4f8")
