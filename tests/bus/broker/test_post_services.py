"""Posts with an id or a key that a task of another service has: refused, and nothing of that task is reported."""

import pytest


@pytest.mark.parametrize(("same", "which"), [("key", "the key 'k' or this id"), ("id", "this id")])
def test_a_post_does_not_join_a_task_of_another_service(start, same, which):
    fixture = start()
    key = {"key": "k"} if same == "key" else {}
    first = fixture.send("post", service="theirs", **key)
    fixture.until(lambda: fixture.answers)
    second = fixture.send("post", *([] if key else [first]), service="ours", **key)
    fixture.until(lambda: len(fixture.answers) == 2)
    error = fixture.answers_to(second)[-1]
    assert (error.code, error.text) == (
        "BAD_ARGUMENT",
        f"a task of another service has {which}; the task was not accepted, use another one",
    )
    assert [task.service for task in fixture.dispatcher.tasks.values()] == ["theirs"]
    assert (fixture.posted_tasks.posts.coming, fixture.posted_tasks.posts.coming_bytes) == (0, 0)
