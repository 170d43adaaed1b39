"""The timeline as a picture: what is drawn, where, and that any program can read it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from lambdasim import ColdStartModel, Simulation
from lambdasim.timeline.axis import Axis
from lambdasim.timeline.happenings import read
from lambdasim.timeline.picture import paint
from tests.unit.timeline.scenarios import WORDS, fifo, poison, race, retries, throttles

ALL = [poison, race, fifo, retries, throttles, Simulation, lambda: Simulation(trace=0)]
SVG = "{http://www.w3.org/2000/svg}"


def picture_of(sim, start_us=0, end_us=None):
    return paint(read(sim.trace.entries()), start_us, sim.now_us if end_us is None else end_us)


def texts(sim):
    """Return the words of a picture."""
    return ["".join(text.itertext()) for text in ET.fromstring(sim.timeline().to_svg()).iter(f"{SVG}text")]


@pytest.mark.parametrize("play", ALL)
def test_page_is_well_formed_and_needs_nothing_else(play):
    """XML all through, no script, nothing from elsewhere; and the same bytes in every run."""
    page = play().timeline().to_html()
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert ["html"] == [root.tag]
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not names & {"script", "link", "img", "image", "iframe", "use", "foreignObject"}
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"' <]*", page)
    assert page == play().timeline().to_html()


@pytest.mark.parametrize("play", ALL)
def test_notebook_shows_the_picture_and_the_table(play):
    """In one block, 900 pixels wide at most, in the colour of the text around."""
    timeline = play().timeline()
    block = ET.fromstring(timeline._repr_html_())
    (svg,) = block.iter(f"{SVG}svg")
    assert ("900", "currentColor") == (svg.get("width"), svg.get("fill"))
    assert svg.get("viewBox") == f"0 0 900 {svg.get('height')}"
    (table,) = block.iter("pre")
    assert table.text == timeline.to_text(width=140)


def test_picture_alone_looks_for_its_colour_itself():
    """A file has no text around it; in a page, the page has the say."""
    timeline = race().timeline()
    assert "prefers-color-scheme" in timeline.to_svg()
    assert "prefers-color-scheme" not in timeline.to_html()


@pytest.mark.parametrize("play", ALL[:5])
def test_nothing_stands_outside(play):
    """Boxes and lines lie in the picture, and nothing has a negative extent."""
    svg = ET.fromstring(play().timeline().to_svg())
    width, height = float(svg.get("width")), float(svg.get("height"))
    for element in svg.iter():
        for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")):
            if element.get(x) is not None:
                assert -10 <= float(element.get(x)) <= width, ET.tostring(element)
                assert -10 <= float(element.get(y)) <= height, ET.tostring(element)
        assert 0 <= float(element.get("width", "0"))


def test_lanes_stand_in_the_order_of_the_way():
    """A queue, its mapping, the environments of its function; queues that nobody polls come last."""
    sim = race()
    sim.create_queue("aside").send_message("x")
    lanes = picture_of(sim).lanes()
    assert [
        ("QueueLane", "orders"),
        ("Gate", "charge"),
        ("EnvironmentLane", "charge"),
        ("EnvironmentLane", "charge"),
        ("QueueLane", "aside"),
    ] == [(type(lane).__name__, getattr(lane, "name", None) or lane.function) for lane in lanes]


def test_life_of_a_message_has_its_stretches():
    """Visible, in flight, visible again; a message that was moved goes on in the other queue."""
    orders, dead = picture_of(poison()).queues.values()
    (life,) = orders.lives
    stretches = [(s.state, s.begin[0] / 1e6, s.end[0] / 1e6, s.delivery) for s in life.stretches]
    assert [
        ("visible", 0, 0, 0),
        ("in flight", 0, 30, 1),
        ("visible", 30, 30, 0),
        ("in flight", 30, 60, 2),
        ("visible", 60, 60, 0),
        ("in flight", 60, 90, 3),
        ("visible", 90, 90, 0),
    ] == stretches
    assert ("moved to orders-dlq", True, 90_000_000) == (life.end_words, life.is_bad_end, life.ended_at[0])
    (arrived,) = dead.lives
    assert [("visible", None)] == [(stretch.state, stretch.end) for stretch in arrived.stretches]


def test_delayed_messages_and_changed_timeouts_are_seen():
    """A delay is a stretch of its own; a timeout that was changed ends when it ends."""
    sim = Simulation()
    queue = sim.create_queue("orders")
    queue.send_message("a", delay_seconds=5)
    sim.run(until=5)
    (delivery,) = queue.receive_message()
    queue.change_message_visibility(delivery.receipt_handle, 60)
    sim.run(until=66)
    (lane,) = picture_of(sim).queues.values()
    states = [(s.state, s.begin[0] / 1e6, None if s.end is None else s.end[0] / 1e6) for s in lane.lives[0].stretches]
    assert [("delayed", 0, 5), ("visible", 5, 5), ("in flight", 5, 65), ("visible", 65, None)] == states
    assert "in flight for 60 s from now on" in str(sim.timeline())


def test_each_invocation_is_tied_to_the_deliveries_it_got():
    """Of two deliveries at one instant the first goes to the first invocation."""
    picture = picture_of(race())
    (gate,) = picture.gates.values()
    (life,) = picture.queues["arn:aws:sqs:us-east-1:123456789012:orders"].lives
    deliveries = [stretch.begin for stretch in life.stretches if stretch.delivery]
    assert [[(life, deliveries[0])], [(life, deliveries[1])]] == [run.sources for run in gate.runs]


def test_deliveries_without_events_are_told_apart_by_their_order():
    """A function without a handler gets no event that would say which delivery it was."""
    picture = picture_of(throttles())
    (gate,) = picture.gates.values()
    assert [1, 1] == [len(run.sources) for run in gate.runs]
    assert ["jobs#1", "jobs#2"] == [run.sources[0][0].message.label for run in gate.runs]
    assert 3 == len(gate.marks)


def test_what_follows_at_one_instant_stands_side_by_side():
    """Sent, received, chosen, visible, received, run: each a step further; what is independent shares a step."""
    picture = picture_of(race(2))
    assert [0, 0, 1, 1, 2, 3, 4, 5, 6] == [step for at_us, step in picture.places if at_us == 0]


def test_init_of_a_cold_start_is_a_part_of_its_invocation():
    """The handler begins after it."""
    sim = Simulation(settings=[ColdStartModel(init_s=0.25)])
    sim.create_function("work", duration=1).invoke({})
    (lane,) = picture_of(sim).environments.values()
    assert [((0, 0), (250_000, 0), (1_250_000, 0))] == [(run.begin, run.handler_at, run.end) for run in lane.runs]
    assert {"0 s", "0.25 s", "1.25 s"} <= {*texts(sim)}


def test_events_that_handlers_have_changed_do_no_harm():
    """Which delivery it was is then told by the order."""
    sim = Simulation()
    queue = sim.create_queue("orders")

    def spoil(event, context):
        event["Records"] = [None, {}, {"messageId": 1, "attributes": {"ApproximateReceiveCount": "x"}}]

    sim.create_event_source_mapping(queue, sim.create_function("work", spoil))
    queue.send_message("a")
    sim.run()
    (gate,) = picture_of(sim).gates.values()
    assert [1] == [len(run.sources) for run in gate.runs]


def test_many_invocations_say_how_they_ended_once():
    """The same words again would fill the lane."""
    sim = Simulation()
    work = sim.create_function("work", lambda event, _: event["say"], duration=1)
    for number in range(12):
        work.invoke({"say": "other" if number == 6 else "same"})
    words = texts(sim)
    assert ["✓ returned 'same'", "✓ returned 'other'", "✓ returned 'same'"] == [each for each in words if "✓" in each]


def test_flag_says_the_choice_in_words():
    """With the text to play it again as a title."""
    svg = race().timeline().to_svg()
    assert f">orders#1: {WORDS}</text>" in svg
    assert f"<title>duplicate orders#1 @0\n0 s: orders#1: {WORDS}</title>" in svg


def test_narrowed_picture_knows_the_mapping_of_a_batch_with_others():
    """The first of the batch is none of those that it is about."""
    sim = race(3)
    svg = sim.timeline(messages="orders#3").to_svg()
    assert "orders → charge" in svg
    assert svg.count("<polygon") == 2  # the tip at the invocation, and the legend


def test_operations_and_ends_stand_below_their_invocation():
    """In words, with a sign for how it ended."""
    assert {"'o-1' in set -> False", "list.append('o-1')", "set.add('o-1')", "✓ returned None"} <= {*texts(race())}
    assert 3 == texts(poison()).count("✗ raised ValueError('poison')")


def test_too_much_is_not_drawn_and_the_picture_says_so():
    """Messages, environments and instants beyond some number."""
    sim = Simulation(trace=None)
    queue = sim.create_queue("orders")
    for number in range(100):
        queue.send_message(f"{number}")
    worker = sim.create_function("work", duration=1)
    for _ in range(50):
        worker.invoke({}, invocation_type="Event")
    sim.run()
    words = texts(sim)
    assert "+ 84 more messages, which are not drawn" in words
    assert "+ 27 more environments, which are not drawn" in words
    echo = sim.create_function("echo", lambda event, _: event)
    for number in range(400):
        echo.invoke({"n": number})
    assert any(text.startswith("there is too much to be drawn, so the picture ends at ") for text in texts(sim))
    assert 900 == float(ET.fromstring(sim.timeline().to_svg()).get("width"))


def test_rounds_that_repeat_are_not_drawn():
    """Hundreds of failures: the first ones and the last ones, and how many are between them."""
    sim = Simulation(trace=None)
    queue = sim.create_queue("jobs", visibility_timeout=2)
    sim.create_event_source_mapping(queue, sim.create_function("work", timeout=1, failure_rate=1))
    queue.send_message("bad")
    sim.run(until=1_000)
    words = texts(sim)
    assert "498 rounds more" in words
    assert 3 == words.count("✗ failed") + 1
    assert ["1", "2", "501"] == [text for text in words if text.isdecimal()]
    svg = sim.timeline().to_svg()
    assert svg.count("<path") == svg.count("hands jobs#1 to work#")


def test_a_window_shows_what_is_in_it():
    """What was over before is left out; what goes on is there from the edge on."""
    sim = poison()
    picture = picture_of(sim, 40_000_000, 65_000_000)
    (lane,) = picture.queues.values()
    assert 1 == len(lane.lives)
    assert [60.1] == [run.end[0] / 1e6 for lane in picture.environments.values() for run in lane.runs]
    assert {60_000_000, 60_100_000, 65_000_000} == {at_us for at_us, _ in picture.places}
    assert {"60 s", "60.1 s"} <= {*texts_of(sim, since=40, until=65)}


def texts_of(sim, **window):
    return ["".join(text.itertext()) for text in ET.fromstring(sim.timeline(**window).to_svg()).iter(f"{SVG}text")]


def test_strange_texts_do_no_harm():
    """Mark-up, control characters and long names are shown, not obeyed."""
    sim = Simulation()
    queue = sim.create_queue("q" * 80)
    queue.send_message("<script>alert('\\x07&')</script>" * 20)

    def work(event, context):
        raise ValueError("]]><b>\x01\x1f")

    sim.create_event_source_mapping(queue, sim.create_function("f" * 60, work))
    sim.run(until=1)
    page = sim.timeline().to_html()
    ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert "<script" not in page


# ---- the axis


def test_axis_is_linear_where_nothing_is_cut():
    """Equal gaps are equally wide, twice the gap twice as wide."""
    axis = Axis([(0, 0), (1_000, 0), (2_000, 0), (4_000, 0)], 100, 800)
    assert [100, 275, 450, 800] == [axis.x((at_us, 0)) for at_us in (0, 1_000, 2_000, 4_000)]
    assert [] == axis.cuts


def test_axis_cuts_long_gaps_and_says_which():
    """A race of milliseconds keeps its room beside half a minute of nothing."""
    axis = Axis([(0, 0), (1_000, 0), (2_000, 0), (30_002_000, 0), (30_003_000, 0)], 100, 800)
    (cut,) = axis.cuts
    assert 30_000_000 == cut.gap_us
    assert axis.x((1_000, 0)) - axis.x((0, 0)) > cut.right - cut.left
    assert 800 == axis.x((30_003_000, 0))


def test_axis_keeps_steps_of_an_instant_apart():
    """All alike, whatever lies between instants."""
    axis = Axis([(0, 0), (0, 1), (0, 2), (5_000, 0)], 0, 500)
    assert [0, 18, 36, 500] == [round(axis.x(place), 6) for place in [(0, 0), (0, 1), (0, 2), (5_000, 0)]]
    assert [0, 5_000] == [at_us for at_us, _ in axis.instants()]
    assert 36 == axis.x((0, 7))


def test_axis_fits_however_much_there_is():
    """Thousands of instants go into the same width, in order."""
    axis = Axis([(at_us * at_us, 0) for at_us in range(3_000)], 0, 700)
    pixels = [x for _, x in axis.instants()]
    assert pixels == sorted(pixels)
    assert 700.001 > pixels[-1] > 699
    assert 5 == Axis([], 5, 10).x((3, 3))
