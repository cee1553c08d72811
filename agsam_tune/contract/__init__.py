"""What every task and every optimizer promises, as checks that a plugin runs on its own.

In a test file of one's own, for pytest or any other runner:

    from agsam_tune.contract import check_rule, check_task

    def test_rule():
        check_rule("my_rules:half_asam", search_space="search_spaces/half_asam.toml")

    def test_task():
        check_task("my_tasks:blobs", {"n": 300})

Each raises a `ContractError` that names everything that is broken. `RULE_CHECKS` and
`TASK_CHECKS` hold the single checks by name. Must not import pytest.
"""

from agsam_tune.contract.broken import ContractError
from agsam_tune.contract.rules import (
    RULE_CHECKS,
    RuleUnderTest,
    check_before_a_run,
    check_rule,
    rule_under_test,
)
from agsam_tune.contract.tasks import TASK_CHECKS, TaskUnderTest, check_task, task_under_test

__all__ = [
    "RULE_CHECKS",
    "TASK_CHECKS",
    "ContractError",
    "RuleUnderTest",
    "TaskUnderTest",
    "check_before_a_run",
    "check_rule",
    "check_task",
    "rule_under_test",
    "task_under_test",
]
