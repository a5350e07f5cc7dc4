"""Three ways to use a page: by mouse, by keyboard alone, and by touch on a narrow screen.

Each does only what a hand can do. The keyboard's way comes to a thing by Tab and arrows and never by a script, so that
what cannot be reached fails here.
"""

from typing import Any

#: More stops than any page of the console has; beyond it the way goes round in circles.
MOST_TABS = 120

#: Where the thing stands that the keyboard goes to, seen from the thing that has the focus.
SEEN_FROM_FOCUS = """
element => {
  const at = document.activeElement;
  if (at === element) return 'here';
  if (!at || at === document.body) return 'after';
  return at.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING ? 'before' : 'after';
}
"""
IS_SEEN = "element => { const at = element.getBoundingClientRect(); return at.bottom > 0 && at.top < innerHeight; }"


class Mouse:
    """Points and clicks at 1280 pixels; typing is typing in each way."""

    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}  # noqa: RUF012 - never changed

    def __init__(self, page: Any) -> None:
        self.page = page

    def press(self, name: str) -> None:
        self.activate(self.page.get_by_role("button", name=name, exact=True))

    def follow(self, name: str) -> None:
        self.activate(self.page.get_by_role("link", name=name).first)

    def unfold(self, name: str) -> None:
        self.activate(self.page.locator("summary", has_text=name))

    def write(self, label: str, text: str) -> None:
        """Into an empty field."""
        self.come_to(self.page.get_by_label(label).first)
        self.page.keyboard.type(text)

    def choose(self, question: str, answer: str) -> None:
        """One radio button of a group."""
        radio = self.page.get_by_role("group", name=question).get_by_role("radio", name=answer)
        self.choose_radio(radio)
        assert radio.is_checked(), answer

    def come_to(self, thing: Any) -> None:
        thing.click()

    def activate(self, thing: Any) -> None:
        thing.click()

    def choose_radio(self, radio: Any) -> None:
        radio.click()


class Touch(Mouse):
    """A finger on a telephone's screen of 360 pixels."""

    options: dict[str, Any] = {  # noqa: RUF012 - never changed
        "viewport": {"width": 360, "height": 740},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    }

    def come_to(self, thing: Any) -> None:
        thing.tap()

    def activate(self, thing: Any) -> None:
        thing.tap()

    def choose_radio(self, radio: Any) -> None:
        radio.tap()


class Keyboard(Mouse):
    """No pointer at all. What has the focus is on the screen."""

    def come_to(self, thing: Any) -> None:
        thing.wait_for()
        for _ in range(MOST_TABS):
            where = thing.evaluate(SEEN_FROM_FOCUS)
            if where == "here":
                assert thing.evaluate(IS_SEEN), f"{thing} has the focus and cannot be seen"
                return
            self.page.keyboard.press("Tab" if where == "after" else "Shift+Tab")
        raise AssertionError(f"{thing} cannot be reached by Tab")

    def activate(self, thing: Any) -> None:
        self.come_to(thing)
        self.page.keyboard.press("Enter")

    def choose_radio(self, radio: Any) -> None:
        """Tab leads to the group, arrows lead through it."""
        group = radio.evaluate_handle("element => [...element.form.elements[element.name]]")
        for _ in range(MOST_TABS):
            if group.evaluate("radios => radios.includes(document.activeElement)"):
                break
            self.page.keyboard.press("Tab" if radio.evaluate(SEEN_FROM_FOCUS) == "after" else "Shift+Tab")
        for _ in range(int(group.evaluate("radios => radios.length"))):
            if radio.evaluate(SEEN_FROM_FOCUS) == "here":
                self.page.keyboard.press("Space")
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{radio} cannot be reached by arrows")


WAYS = {"mouse": Mouse, "keyboard": Keyboard, "touch": Touch}
