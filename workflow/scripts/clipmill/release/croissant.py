"""Croissant 1.0, the description of a data set for machines (mlcommons.org/croissant): its files, and their columns.

The tests load it with `mlcroissant`; writing it needs no library.
"""

import json
import re

from clipmill.release.columns import WHOLE, Columns
from clipmill.release.facts import Facts

OWN = (
    "citeAs column conformsTo dataType=@vocab equivalentProperty extract field fileProperty fileObject fileSet format \
includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate \
separator source subField transform"
)
"""The words that Croissant adds to those of schema.org."""
TYPES = {"parquet": "application/x-parquet", "csv": "text/csv", "tar": "application/x-tar"}
"""The formats of files that it describes, by suffix."""
OWNER = {"description": "description", "license": "licence", "url": "url", "version": "version",
         "datePublished": "date", "creator": "creator", "citeAs": "cite_as"}  # fmt: skip
"""Croissant's fields that only the owner knows, with their keys in `release.card`; unknown ones are left out."""


def text(options: dict, files: list[dict], facts: Facts, columns: Columns) -> str:
    """The description of `files` (rows of the tables of files), as JSON."""
    owner = options["card"]
    described = [file for file in files if file["file"].rpartition(".")[2] in TYPES]
    tables = [file["file"] for file in described if file["file"].startswith("parquet/")]
    tables = tables or [file["file"] for file in described if file["file"].startswith("csv/")]
    known = {name: owner[key] for name, key in OWNER.items() if owner[key]}
    if "creator" in known:
        known["creator"] = {"@type": "sc:Organization", "name": known["creator"]}
    whole = {
        "@context": context(),
        "@type": "sc:Dataset",
        "name": owner["name"] or "unnamed",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        **known,
        "identifier": facts.selection,
        "distribution": [distribution(file) for file in described],
        "recordSet": [records(name, columns) for name in sorted(tables)],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def context() -> dict:
    """How the words are to be read."""
    words = {}
    for word in OWN.split():
        name, _, kind = word.partition("=")
        words[name] = {"@id": f"cr:{name}", "@type": kind} if kind else f"cr:{name}"
    words |= {name: {"@id": f"cr:{name}", "@type": "@json"} for name in ("data", "examples")}
    words["conformsTo"] = "dct:conformsTo"
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        **words,
    }


def distribution(file: dict) -> dict:
    """A file."""
    name = file["file"]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": TYPES[name.rpartition(".")[2]],
        "sha256": file["sha256"],
    }


def records(file: str, columns: Columns) -> dict:
    """The records of a table's file, `pairs/<its name>`."""
    name = f"pairs/{file.partition('/')[2].rpartition('.')[0]}"
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{word(new, number)}",
            "name": f"{name}/{word(new, number)}",
            "dataType": kind(columns, own),
            "source": {"fileObject": {"@id": file}, "extract": {"column": new}},
        }
        for number, (own, new) in enumerate(columns.names.items())
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def kind(columns: Columns, own: str) -> str:
    """The type of a column of meta.csv."""
    return "sc:Integer" if own in WHOLE else "sc:Float" if own in columns.fractions else "sc:Text"


def word(name: str, number: int) -> str:
    """A column's name as an identifier may hold it; its number where it cannot."""
    return name if re.fullmatch(r"[\w.-]+", name) else f"column{number}"
