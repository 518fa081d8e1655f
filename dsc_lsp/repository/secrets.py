"""What must never enter a prompt: files that hold secrets by their name, lines by their content.

The forms of keys and tokens are those that their issuers document. A line that only looks like a
secret is left out of a prompt, too: that costs a line of context, the other mistake costs a key.
"""

import math
import re
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, cached_property, lru_cache
from itertools import accumulate, chain, pairwise
from urllib.parse import unquote, urlsplit

from ahocorasick_rs import AhoCorasick

from dsc_lsp.document import Cursor
from dsc_lsp.languages import language_of
from dsc_lsp.rows import Rows

_SECRET_FILES = (
    ".env*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".yarnrc*", ".pypirc", ".pgpass",
    ".my.cnf", ".htpasswd", ".git-credentials", ".dockercfg", ".dockerconfigjson", ".s3cfg",
    ".boto", ".terraformrc", "terraform.rc", "*.tfstate*", "*.tfvars*", "*.pem", "*.key", "*.ppk",
    "*.p8", "*.p12", "*.pfx", "*.pkcs12", "*.jks", "*.keystore", "*.truststore", "*.asc", "*.gpg",
    "*.pgp", "*.crt", "*.cer", "*.cert", "*.der", "*.csr", "*.kdbx", "*.ovpn", "*.agekey",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*_rsa", "*_ed25519", "authorized_keys",
    "known_hosts", "credentials", "*.credentials", "*credentials*.json", "service-account*.json",
    "service_account*.json", "secrets", "*.secret", "*.secrets", "local_settings.py",
    "kubeconfig*", "*.kubeconfig", "vault.yml", "vault.yaml", ".vault*", "*.token", "auth.json",
    "*history",
)  # fmt: skip
_SECRET_UNLESS_CODE = ("credentials.*", "secret.*", "secrets.*", "client_secret*")
"""``secrets.yaml`` holds secrets, ``secrets.py`` the code that handles them."""
_LANGUAGES_OF_DATA = frozenset({"json", "yaml", "bash"})
_SECRET_FOLDERS = frozenset(
    {".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".gcloud", ".secrets", "secrets"}
)


@dataclass(frozen=True)
class _Form:
    """A form of secret: a line can only have it if it contains one of ``words``, in lower case.

    It must have ``needed``, too, which is found much faster than the form is.
    """

    words: tuple[str, ...]
    source: str
    needed: re.Pattern[str] | None
    flags: re.RegexFlag

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The form, compiled when a line first has one of its words: all take 10 ms."""
        return re.compile(self.source, self.flags)

    def is_in(self, line: str) -> bool:
        """Whether a line that has one of the words has the form."""
        if self.needed is not None and not self.needed.search(line):
            return False
        return self.pattern.search(line) is not None


def _form(
    source: str,
    *words: str,
    needed: re.Pattern[str] | None = None,
    flags: re.RegexFlag = re.NOFLAG,
) -> _Form:
    return _Form(words, source, needed, flags)


# Anchored and possessive: each character is looked at twice at most, wherever the search fails.
_QUOTED = re.compile(r"\A[^:=,(]*+.*[\"'`]", re.DOTALL)
_DIGIT_GIVEN = re.compile(r"\A[^:=]*+.*\d", re.DOTALL)


_KEYWORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key"
    r"|private[_-]?key|signing[_-]?key|encryption[_-]?key|credential|bearer|client[_-]?secret)"
)
_LAST_WORD = _KEYWORD + r"(?:s|[_-]?(?:\d+|value|key|prod|dev|live|main|default|id))?"
_ITS_NAME = r"(?:pass(?:word|wd|phrase)|pwd|secret)s?(?:[_-]?\d+)?"
# What the texts beside a field for a password say, and no password does.
_SAID_OF_ONE = (
    r"(?:pass(?:word|wd|phrase|code)|secret|please|enter|must|invalid|incorrect|wrong|required"
    r"|cannot|your|user|login|field)"
)
# What stands in code where a value will come from somewhere else, or is none.
_NO_VALUE = (
    r"(?![\"']?(?:none|null|nil|true|false|undefined|str|string|bytes|int|bool|optional|\w+\[|any"
    r"|self|this|os\.|env|process\.|getenv|config|settings|get_?\w*\(|input\(|\$\{|\{\{|<|%\(|%s"
    r"|x{3,}|\*{3,}|\.{3}|changeme|example|your[_-]|placeholder|test[\"'])\b)"
)
_FORMS = (
    _form(r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}\b", "akia", "asia", "abia", "acca",
          "aroa", "aida"),
    _form(r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{50,}", "ghp_", "gho_", "ghu_", "ghs_",
          "ghr_", "github_pat_"),
    _form(r"\bgl(?:pat|ptt|dt|rt|soat|cbt|ft|agent|imt)-[\w-]{18,}", "glpat-", "glptt-", "gldt-",
          "glrt-", "glsoat-", "glcbt-", "glft-", "glagent-", "glimt-"),
    _form(r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-\d-[\w-]{10,}", "xox", "xapp-"),
    _form(r"hooks\.slack\.com/(?:services|workflows)/\w+", "hooks.slack.com"),
    _form(r"discord(?:app)?\.com/api/webhooks/\d+/[\w-]+", "/api/webhooks/"),
    _form(r"\b[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}", "discord", "bot_token"),
    _form(r"\b(?:sk|rk|pk|whsec)_(?:live|test)_\w{10,}|\bwhsec_\w{20,}", "_live_", "_test_",
          "whsec_"),
    _form(r"\bAIza[\w-]{30,}", "aiza"),
    _form(r"\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}", "ya29.", "gocspx-"),
    _form(r"\bsk-(?:ant-|proj-|svcacct-|or-)?[\w-]{20,}", "sk-"),
    _form(r"\bhf_[A-Za-z0-9]{20,}", "hf_"),
    _form(r"\bnpm_[A-Za-z0-9]{30,}", "npm_"),
    _form(r"\bpypi-[\w-]{40,}", "pypi-"),
    _form(r"\bSG\.[\w-]{16,}\.[\w-]{16,}", "sg."),
    _form(r"\bkey-[0-9a-f]{32}\b", "key-"),
    _form(r"\bdop_v1_[0-9a-f]{40,}|\bdo[or]_v1_[0-9a-f]{40,}", "_v1_"),
    _form(r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{30,}", "shpat_", "shpca_", "shppa_", "shpss_"),
    _form(r"\bsq0(?:atp|csp|idp)-[\w-]{20,}|\bEAAA[\w-]{50,}", "sq0", "eaaa"),
    _form(r"\b(?:dapi|nfp_|rubygems_|lin_api_|phc_|tfp_|atlasv1|hvs\.|hvb\.)[\w.-]{20,}", "dapi",
          "nfp_", "rubygems_", "lin_api_", "phc_", "tfp_", "atlasv1", "hvs.", "hvb."),
    _form(r"\bA3-[A-Z0-9]{6}-|\bATATT3[\w-]{20,}", "a3-", "atatt3"),
    _form(r"\b\d{8,10}:AA[\w-]{32,}", ":aa"),
    _form(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", "eyj"),
    _form(r"\bAGE-SECRET-KEY-1\w+|\bPuTTY-User-Key-File", "age-secret-key", "putty-user-key"),
    _form(r"-----BEGIN[ A-Z0-9]*(?:PRIVATE KEY|CERTIFICATE|PGP MESSAGE)|-----END[ A-Z0-9]*-----",
          "-----begin", "-----end"),
    _form(r"\bssh-(?:rsa|ed25519|dss)\s+AAAA|\becdsa-sha2-\S+\s+AAAA", "aaaa"),
    _form(r"[a-z][\w+.-]*://[^\s/:@\"'{}$<>]*:[^\s/@\"'{}$<>]{3,}@", "://",
          flags=re.IGNORECASE),
    _form(r"(?:AccountKey|SharedAccessKey|SharedAccessSignature|sig)=[\w+/%=-]{20,}",
          "accountkey=", "sharedaccess", "sig=", flags=re.IGNORECASE),
    _form(r"\b(?:authorization|proxy-authorization)[\"']?\s*[:=,]\s*[\"']?\s*(?:basic|bearer|token)"
          r"\s+[\w+/=.~-]{8,}", "authorization", flags=re.IGNORECASE),
    _form(r"\b(?:curl|wget)\b.*\s(?:-u|--user)\s+[\"']?[^\s\"':$]+:[^\s\"'$]{3,}", "curl", "wget"),
    # A quoted value with a secret's name: in code, in JSON, in YAML.
    _form(_LAST_WORD + r"[\"']?\]?\s*(?::\s*\w+\s*)?(?::=|=>|[:=,(])\s*[bru]{0,2}"
          + _NO_VALUE + r"([\"'`])(?!\1)[^\s\"'`{}<>$]{6,}\1",
          "pass", "pwd", "secret", "token", "key", "credential", "bearer", needed=_QUOTED,
          flags=re.IGNORECASE),
    # A quoted password of several words, but no sentence about one.
    _form(_ITS_NAME + r"[\"']?\]?\s*(?::\s*\w+\s*)?(?::=|=>|[:=])\s*[bru]{0,2}([\"'`])"
          r"(?=[^\"'`]*\S[ \t]+\S)(?![^\"'`]*\b" + _SAID_OF_ONE + r")"
          r"[^\s\"'`{}<>$%][^\"'`{}<>$%]{10,80}[^\s\"'`{}<>$%.:!?\u2026]\1",
          "pass", "pwd", "secret", needed=_QUOTED, flags=re.IGNORECASE),
    # A value without quotes, as in properties and shell; code has names there: it needs a digit.
    _form(r"^\s*(?:export\s+|set\s+|#\s*|//\s*)?[\w.-]*?" + _LAST_WORD + r"\s*[=:]\s*"
          + _NO_VALUE + r"(?=\S*\d)[^\s\"'`(){}\[\]<>$;,.]{8,}\s*$",
          "pass", "pwd", "secret", "token", "key", "credential", "bearer", needed=_DIGIT_GIVEN,
          flags=re.IGNORECASE),
)  # fmt: skip
_WORDS = sorted({word for form in _FORMS for word in form.words})
_FORMS_WITH = [[form for form in _FORMS if word in form.words] for word in _WORDS]
_ANY_WORD = AhoCorasick(_WORDS)
_ARMOUR = re.compile(r"[\s\"'+\\n#*/,;|-]*[A-Za-z0-9+/]{38,}={0,2}[\s\"'+\\n,;|)-]*")
_LEAST_OPAQUE = 24
_LEAST_BASE64 = 32
_LEAST_CHANGES = 11
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_OPAQUE_MARK = _LEAST_OPAQUE * b"x"
_OPAQUE_MARKS = bytes(
    ord("x") if re.match(r"[A-Za-z0-9+/_=-]", chr(n)) else 32 for n in range(256)
)
_LONGEST_LINE = 4_096
_BLOCK = 65_536
_PART = 2_048
_STEP = 1_536
_ENDS = (('"', '"'), ("'", "'"), ("`", "`"), ("://", "@"))
"""What may have been before the end of a secret, and what ends it."""
_BETWEEN_VALUES = " \t\"'`{}<>$"
"""What no value has within that is longer than the forms of several words."""
_NAME = 256
"""More characters than the name of a secret and what stands between it and its value."""
_WIDE = 64 * " "
_BLANKS = re.compile(_WIDE + "+")

_AROUND_CURSOR = 4_096
"""More than ``shortening`` leaves of a long line before the cursor, and behind it."""


def is_secret_path(path: str) -> bool:
    """Whether a file's name, or a folder of its path (``/`` between), says that it is secret."""
    *folders, name = path.split("/")
    if _matcher(_SECRET_FILES).match(name) or not _SECRET_FOLDERS.isdisjoint(folders):
        return True
    return bool(_matcher(_SECRET_UNLESS_CODE).match(name)) and not _is_code(name)


def is_secret_uri(uri: str) -> bool:
    """Whether the name of a document says that it is secret."""
    return is_secret_path(_path_in(uri))


def without_secrets(text: str) -> str:
    """Return a text in which the lines that hold a secret are empty; other lines stay in place.

    Line breaks must be ``\\n``. Only lines with a suspicious word are looked at in full, and very
    long ones not at all: they are empty, too.
    """
    text = _without_long_lines(text)
    secret = set(_secret_lines(text))
    if not secret:
        return text
    starts = iter(sorted(secret))
    parts: list[str] = []
    done = 0
    for start in starts:
        if start < done:
            continue
        end = _end_of_line(text, start)
        if "PRIVATE KEY" in text[start:end] and "-----BEGIN" in text[start:end]:
            end = _end_of_key(text, end)
        parts += [text[done:start], "\n" * text.count("\n", start, end)]
        done = end
    return "".join((*parts, text[done:]))


def redacted(cursor: Cursor) -> Cursor | None:
    """Return the cursor in its document without the lines that hold secrets.

    ``None`` if the whole file is secret by its name, or the cursor's line holds a secret. While
    the user types in one place, only the lines there are looked at. A very long line of the
    cursor is looked at only as far around it as ``shortening.shortened`` leaves it.
    """
    if is_secret_uri(cursor.document.uri):
        return None
    look = _looked_at(cursor, _LOOKS[0])
    _LOOKS.append(look)
    if not look.secret:
        return cursor
    if cursor.position.line in look.secret and _is_secret_around(cursor):
        return None
    others = [number for number in look.secret if number != cursor.position.line]
    return Cursor(cursor.document.without(others), cursor.position) if others else cursor


def _is_secret_around(cursor: Cursor) -> bool:
    """Whether what may be shown of a cursor's line holds a secret, where the line does."""
    line, column = cursor.document.line(cursor.position.line), cursor.position.column
    if len(line) <= _LONGEST_LINE:
        return holds_secret(line)
    # Blanks in which it would begin are all looked at: more might stand between name and value.
    start = len(line[: max(0, column - _AROUND_CURSOR)].rstrip())
    before = line[:start] + _narrowed(line[start:column])
    line = before + _narrowed(line[column : column + _AROUND_CURSOR])
    return _is_secret_between(line, max(0, len(before) - _AROUND_CURSOR), len(line))


@dataclass(frozen=True, slots=True)
class _Look:
    """The lines of a document, and the numbers of those that hold secrets."""

    lines: Rows[str]
    secret: tuple[int, ...]


_LOOKS = deque([_Look(Rows.of(()), ())], maxlen=1)


def _looked_at(cursor: Cursor, last: _Look) -> _Look:
    """Look at the lines that may have changed since the last look, at all if those are not known.

    Whoever types changes the cursor's line, and the one before it with a line break.
    """
    lines, place = cursor.document.lines, cursor.position.line
    above, below = max(0, place - 1), len(lines) - place - 1
    more = len(lines) - len(last.lines)
    end = len(last.lines) - below
    if (
        end < above
        or lines.alike_before(last.lines) < above
        or lines.alike_behind(last.lines) < below
    ):
        return _Look(lines, tuple(_secret_numbers(lines)))
    return _Look(
        lines,
        (
            *(number for number in last.secret if number < above),
            *(number for number in range(above, place + 1) if holds_secret(lines[number])),
            *(number + more for number in last.secret if number >= end),
        ),
    )


def _secret_numbers(lines: Rows[str]) -> Iterator[int]:
    """Yield the numbers of the lines that hold a secret."""
    first = 0
    for piece in lines.pieces:
        yield from (first + number for number in _doubtful(piece) if holds_secret(piece[number]))
        first += len(piece)


def _doubtful(lines: Sequence[str]) -> Sequence[int]:
    """Return the numbers of the lines that are to be looked at in full: few, in order.

    Others have no suspicious word and nothing as long as a key.
    """
    text = "".join(lines)
    folded = text.lower()
    if len(folded) != len(text):  # a few letters are longer in lower case, so places would lie
        return range(len(lines))
    ends = tuple(accumulate(map(len, lines)))
    places = [place for _, place, _ in _ANY_WORD.find_matches_as_indexes(folded)]
    places += [begin for begin, _ in _opaque_places(text)]
    numbers = {bisect_right(ends, place) for place in places}
    numbers.update(number for number, line in enumerate(lines) if len(line) > _LONGEST_LINE)
    return sorted(numbers)


@cache
def _matcher(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, names)), re.IGNORECASE)


def _is_code(name: str) -> bool:
    language = language_of("", name)
    return bool(language.identifiers) and language.name not in _LANGUAGES_OF_DATA


def _path_in(uri: str) -> str:
    try:
        return unquote(urlsplit(uri).path)
    except ValueError:  # brackets in the host's place
        return unquote(uri)


def holds_secret(line: str) -> bool:
    """Whether a line holds what looks like a secret, or is too long to be looked at."""
    if len(line) <= _PART:
        return _is_secret_part(line)
    if len(line) > _LONGEST_LINE:
        return True
    return any(_is_secret_part(part, is_line=False) for part in _parts_of(line))


def _is_secret_between(line: str, start: int, end: int) -> bool:
    parts = chain(_parts(line, start, end), _reaching(line, start // _STEP * _STEP))
    return any(_is_secret_part(part, is_line=False) for part in parts)


def _narrowed(line: str) -> str:
    """Return a line with one blank for very many, so that they part no name from its value."""
    blanks = line.replace("\t", " ")
    return _BLANKS.sub(" ", blanks) if _WIDE in blanks else line


def _reaching(line: str, column: int) -> Iterator[str]:
    """Yield how the value begins, and what stands before it, that reaches a column from afar."""
    if column:
        begin = max(line.rfind(sign, 0, column) for sign in _BETWEEN_VALUES)
        part = line[max(0, begin - _NAME) : begin + _NAME]
        yield from (part + closing for closing in ("", *(closing for _, closing in _ENDS)))


def _parts_of(line: str) -> Iterator[str]:
    """Yield the parts of a whole line."""
    line = _narrowed(line) if len(line) > _PART else line
    return _parts(line, 0, len(line))


def _parts(line: str, start: int, end: int) -> Iterator[str]:
    """Yield the parts of a line that hold what is between two columns, some of it twice.

    What is looked for is seldom longer than two parts have in common; what is, and is cut off,
    is taken to end there. They begin where they began at the key before, so that most of them are
    known.
    """
    first = start // _STEP * _STEP
    last = max(first + 1, min(end, len(line)) - (_PART - _STEP))
    for begin in range(first, last, _STEP):
        part = line[begin : begin + _PART]
        yield part
        if begin + _PART < len(line):
            yield from (part + closing for sign, closing in _ENDS if sign in part)


@lru_cache(200_000)
def _is_secret_part(part: str, *, is_line: bool = True) -> bool:
    """Whether a part of a line holds a secret; a line of a key's armour is one only as a whole."""
    folded = part.lower()
    for form in _FORMS:
        if any(word in folded for word in form.words) and form.is_in(part):
            return True
    if is_line and _ARMOUR.fullmatch(part):
        return True
    return any(_looks_random(found[0]) for found in _OPAQUE.finditer(part))


def _without_long_lines(text: str) -> str:
    if not any(
        len(line) > _LONGEST_LINE
        for start, end in _blocks(text)
        for line in text[start:end].split("\n")
    ):
        return text
    return "\n".join("" if len(line) > _LONGEST_LINE else line for line in text.split("\n"))


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of what is looked at in one go, whole lines.

    The server looks at changed texts, and most of what does holds the interpreter's lock.
    """
    start = 0
    while start < len(text):
        end = text.rfind("\n", start, start + _BLOCK) + 1 or _end_of_line(text, start) + 1
        yield start, end
        start = end


def _secret_lines(text: str) -> Iterator[int]:
    """Yield where the lines begin that hold a secret; some more than once."""
    for begin, end in _blocks(text):
        yield from (begin + start for start in _secret_lines_of_block(text[begin:end]))


def _secret_lines_of_block(text: str) -> Iterator[int]:
    folded = text.lower()
    if len(folded) != len(text):  # a few letters are longer in lower case, so offsets would lie
        starts = (0, *(found.end() for found in re.finditer("\n", text)))
        yield from (start for start in starts if holds_secret(_line_at(text, start)))
        return
    # Each form is looked for in the lines with its words alone.
    found = _ANY_WORD.find_matches_as_indexes(folded, overlapping=True)
    for start, word in {(text.rfind("\n", 0, place) + 1, word) for word, place, _ in found}:
        line = _line_at(text, start)
        if len(line) <= _PART and _ARMOUR.fullmatch(line):
            yield start
        for part in _parts_of(line):
            if any(form.is_in(part) for form in _FORMS_WITH[word]):
                yield start
    verdicts = dict[str, bool]()
    for begin, end in _opaque_places(text):
        word = text[begin:end]
        if word not in verdicts:
            verdicts[word] = _looks_random(word)
        if verdicts[word]:
            start = text.rfind("\n", 0, begin) + 1
            if holds_secret(_line_at(text, start)):
                yield start


def _opaque_places(text: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of what ``_OPAQUE`` finds, ten times as fast."""
    # One byte a character, so places are the same.
    marks = text.encode("ascii", "replace").translate(_OPAQUE_MARKS)
    begin = marks.find(_OPAQUE_MARK)
    while begin >= 0:
        end = marks.find(b" ", begin)
        end = len(marks) if end < 0 else end
        yield begin, end
        begin = marks.find(_OPAQUE_MARK, end)


def _line_at(text: str, start: int) -> str:
    return text[start : _end_of_line(text, start)]


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _end_of_key(text: str, begin: int) -> int:
    """Return where the line of the key's end ends; a key without an end goes on to the last."""
    end = text.find("-----END", begin)
    return len(text) if end < 0 else _end_of_line(text, end)


def _looks_random(word: str) -> bool:
    """Whether a word looks as a key does and names, paths and versions do not."""
    part = max(re.split(r"[/_=-]", word), key=len)
    if len(part) >= 16 and _is_mixed(part) and _bits(part) >= 3.6:
        return True
    if len(part) >= 24 and re.fullmatch(r"[0-9a-fA-F]+", part) and _bits(part) >= 3.0:
        return not part.isdigit()
    if len(word) < _LEAST_BASE64 or re.search(r"[_-]", word):
        return False
    # A name or a path is made of words: its letters seldom change between small and capital.
    changes = sum(one.islower() != other.islower() for one, other in pairwise(word))
    return changes >= _LEAST_CHANGES and _bits(word) >= 4.3


def _is_mixed(word: str) -> bool:
    return sum(map(str.isdigit, word)) >= 2 and word.lower() != word and word.upper() != word


def _bits(word: str) -> float:
    """Return the Shannon entropy of a word's characters, in bits a character."""
    counts = Counter(word).values()
    return -sum(count / len(word) * math.log2(count / len(word)) for count in counts)
