"""A step's line leads to it, under the id that its plan has."""

from hypothesis import given

from domain.campaign.compile import outline
from domain.campaign.definition import CampaignDocument
from domain.campaign.step_lines import find_lines
from domain.document.yaml_source import read
from tests.domain.campaign.documents import HEAD, documents

NESTED = """\
steps:
  - {id: cool-off, delay: 1d}
  - delay: 1h
  - id: looked
    wait_for:
      events:
        - event: Offer Viewed
          do:
            - delay: 2h
        - event: Link Clicked
          do:
            - {id: clicked, delay: 3h}
      timeout: 5d
    on_timeout:
      - branch:
          - when: entry.properties.value > 1
            do: [{delay: 4h}]
        otherwise:
          - repeat: {times: 2}
            do:
              - delay: 5h
"""


def test_named_and_unnamed_steps_in_lists_of_all_kinds() -> None:
    lines = find_lines(read(HEAD + NESTED, ""))
    first = HEAD.count("\n")
    assert {id: line - first for id, line in lines.items()} == {
        "cool-off": 2,
        "steps.2": 3,
        "looked": 4,
        "looked.events.1.1": 9,
        "clicked": 12,
        "looked.on_timeout.1": 15,
        "looked.on_timeout.1.branch.1.1": 17,
        "looked.on_timeout.1.otherwise.1": 19,
        "looked.on_timeout.1.otherwise.1.do.1": 21,
    }


@given(documents())
def test_all_steps_of_a_document_but_those_that_fallbacks_make(text: str) -> None:
    source = read(text, "")
    steps = outline(CampaignDocument.model_validate(source.data))
    assert find_lines(source).keys() == {step.id for step in steps if step.block != "fallback"}
