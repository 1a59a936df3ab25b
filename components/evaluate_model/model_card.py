"""The model card: what a stranger must know before they use the model, as Markdown (Mitchell et al. 2019)."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.contract.files import write_bytes
from components.contract.videos import SPLITS
from components.evaluate_model.report import Contents, percent

MODEL_CARD_NAME = "model_card.md"


def write_model_card(folder: Path, contents: Contents) -> None:
    """Write the card; the same contents give the same bytes."""
    write_bytes(folder / MODEL_CARD_NAME, card_of(contents).encode())


def card_of(contents: Contents) -> str:
    """Return the card; what came from outside cannot break out of its place in a table or add a line."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["plain"] = _plain
    totals = [sum(row[place] for row in contents.n_videos) for place in range(len(SPLITS))]
    return environment.get_template("model_card.md.jinja").render(
        contents=contents, verdict=contents.verdict, test=contents.test, model=contents.model,
        splits=list(zip(SPLITS, totals, contents.n_clips, strict=True)),
    )  # fmt: skip


def _plain(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    one_line = " ".join(str(text).split())
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>()#+-!|~&" else character for character in one_line)
