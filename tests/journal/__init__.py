"""The contract of the journal is asserted in a module that is no test module itself."""

import pytest

pytest.register_assert_rewrite("tests.journal.contract", "tests.journal.contract_questions")
