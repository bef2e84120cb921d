"""CSV files from operators: errors name their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin.csv_lines import CsvLine, parsed, read
from admin.errors import RefusedError, UsageError


def lines(tmp_path: Path, raw: bytes) -> list[CsvLine]:
    file = tmp_path / "given.csv"
    file.write_bytes(raw)
    return read(file, ("consumer", "label"), ("expires",))


def test_lines_are_read_with_their_place(tmp_path: Path) -> None:
    found = lines(tmp_path, b"\xef\xbb\xbfconsumer,label\r\n a , b \r\n\r\nc,d\r\n")
    assert [(line.number, line.values) for line in found] == [
        (2, {"consumer": "a", "label": "b", "expires": ""}),
        (4, {"consumer": "c", "label": "d", "expires": ""}),
    ]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "invalid columns []; accepted columns: consumer, label, and optionally expires"),
        (b"consumer\na\n", "invalid columns ['consumer']"),
        (b"consumer,label,value\na,b,c\n", "['consumer', 'label', 'value']"),
        (b"consumer,label,label\na,b,c\n", "each once"),
        (b"consumer,label\n", "no lines below its header"),
        (b'"consumer,label\na,b\n', "line 1: invalid CSV"),
        (b"consumer,label\na,\xff\n", "is not UTF-8"),
        (b"consumer,label\n" + b"a" * 5_000_001, "more than 5000000 bytes"),
    ],
)
def test_invalid_files_are_rejected(tmp_path: Path, raw: bytes, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        lines(tmp_path, raw)
    assert words in str(refused.value)


def test_lines_with_too_many_or_too_few_values_are_bad_lines(tmp_path: Path) -> None:
    found = lines(tmp_path, b"consumer,label\na,b,c\nd,e\nf\n")
    assert [bool(line.errors) for line in found] == [True, False, True]
    with pytest.raises(UsageError, match="2 of 3 lines are invalid"):
        parsed(tmp_path, found, lambda line: line["label"])


def test_invalid_csv_hides_no_other_error(tmp_path: Path) -> None:
    found = lines(tmp_path, b'consumer,label\na,"b"c\nd\n"e,f\ng,h,i\nj,k\n')
    with pytest.raises(UsageError) as refused:
        parsed(tmp_path, found, lambda line: line["label"])
    assert [line.partition(": ")[::2] for line in str(refused.value).splitlines()[1:]] == [
        ("line 2", "invalid CSV: ',' expected after '\"'."),
        ("line 3", "the number of values differs from the number of columns in the header."),
        ("line 4", "invalid CSV: unexpected end of data."),
        ("line 5", "the number of values differs from the number of columns in the header."),
    ]


def test_every_error_of_a_line_is_reported(tmp_path: Path) -> None:
    def judge(line: CsvLine) -> None:
        with line.collecting_errors():
            raise UsageError("one")
        raise RefusedError("two")

    with pytest.raises(UsageError, match=r"1 of 1 lines are invalid; nothing was changed.\nline 2: one\nline 2: two$"):
        parsed(tmp_path, lines(tmp_path, b"consumer,label\na,b\n"), judge)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(tmp_path / "none.csv", ("consumer",), ())
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read(tmp_path, ("consumer",), ())


def test_every_invalid_line_is_reported(tmp_path: Path) -> None:
    def judge(line: CsvLine) -> str:
        if line["label"] == "bad":
            raise RefusedError("it is bad")
        return line["label"]

    given = [CsvLine(number, {"label": "bad" if number % 2 else "good"}) for number in range(2, 200)]
    with pytest.raises(UsageError) as refused:
        parsed(Path("f.csv"), given, judge)
    said = str(refused.value).splitlines()
    assert said[0] == "f.csv: 99 of 198 lines are invalid; nothing was changed."
    assert said[1] == "line 3: it is bad"
    assert said[-1] == "line 199: it is bad"
    assert len(said) == 100
    assert parsed(Path("f.csv"), given[::2], judge) == ["good"] * 99
