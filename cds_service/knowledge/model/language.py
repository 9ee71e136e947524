"""`rules/languages.yaml` and `rules/code-systems.yaml`: how charts say things, and under which names codes come."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from cds_service.knowledge.model.base import Id, Model

Words = tuple[Annotated[str, StringConstraints(min_length=1)], ...]


class Reach(Model):
    """How many words may stand between a cue and what it acts on, by the place of the cue."""

    before: int
    just_before: Annotated[int, Field(alias="just-before")]
    before_word: Annotated[int, Field(alias="before-word")] = 0
    after: int
    just_after: Annotated[int, Field(alias="just-after")]
    both: int
    last: int


class Cues(Model):
    """Words of one sense, by the place where they stand."""

    before: Words = ()
    just_before: Annotated[Words, Field(alias="just-before")] = ()
    before_word: Annotated[Words, Field(alias="before-word")] = ()
    after: Words = ()
    just_after: Annotated[Words, Field(alias="just-after")] = ()
    both: Words = ()
    last: Words = ()


class Beside(Model):
    """Words before or after a person who has nothing of what is told: "caught from", "at bedside"."""

    before: Words = ()
    after: Words = ()


class People(Model):
    """Words for somebody else, who may stand on `both` sides of what they have."""

    both: Words
    beside: Beside = Beside()


class Lists(Model):
    """How a list that is denied ends ("or"), which denials begin one even where nothing ends it, and which words may
    close it ("isolated"). `complaints` stand in one beside names of illnesses: "no fever, chills or pneumonia"."""

    begins: Words = ()
    ends: Words = ()
    closes: Words = ()
    complaints: Words = ()


class UnderWay(Model):
    """A word for a treatment beside one for its begin: "treated with meropenem since yesterday" goes on."""

    treated: Words = ()
    since: Words = ()


class Language(Model):
    """How one language denies, doubts, speaks of the past or of somebody else. `ordinals` may follow a number with a
    full stop, which then ends no sentence: "3. Mai". `unfinished` before a word for the past takes it back: "partially
    treated". `paired` words deny where they stand twice: "né febbre né sepsi". `headings` announce what comes behind a
    colon: "the following"."""

    title: str
    denied: Cues
    doubted: Cues
    past: Cues
    people: People
    active: Words
    turns: Words
    joins: Words
    times: Words = ()
    lists: Lists = Lists()
    ordinals: Words = ()
    unfinished: Words = ()
    under_way: Annotated[UnderWay, Field(alias="under-way")] = UnderWay()
    paired: Words = ()
    headings: Words = ()

    @model_validator(mode="after")
    def _begun_by_denials(self) -> Language:
        if strange := set(self.lists.begins) - set(self.denied.before):
            raise ValueError(f"lists are begun by what denies before: {', '.join(sorted(strange))}")
        return self


class Placeholders(Model):
    """Words that say nothing: where they are all that is said, or wherever they stand. `nothing` and `things` make what
    says nothing together: "other" and "allergy", "see" and "note"; at least one word of `nothing` is among them.
    `beside` are words that say how something is, and nothing of what it is: an abbreviation that nobody knows is none
    the better known beside them, nor in doubt."""

    whole: Words
    anywhere: Words
    nothing: Words
    things: Words
    beside: Words = ()


class Adjectives(Model):
    """Endings that an adjective may take after any of its stems: "septisch" with "er", "en" ..."""

    stems: Words
    endings: Words


class Plurals(Model):
    """Endings in the plural, of folded words: of the noun, which stands `first` or last, and of its adjectives."""

    first: bool = False
    nouns: dict[str, str] = Field(default_factory=dict)
    adjectives: dict[str, str] = Field(default_factory=dict)


class Spelling(Model):
    """How a language writes an international word: its ending, then its letters, one replacement after the other.

    `compounds` are words that it joins to the one before them: "Sepsisverdacht".
    """

    endings: dict[str, str] = Field(default_factory=dict)
    letters: tuple[tuple[str, str], ...] = ()
    adjectives: Adjectives | None = None
    plurals: Plurals = Plurals()
    compounds: Words = ()


Some = Annotated[Words, Field(min_length=1)]


class StainSays(Model):
    """One thing that a stain may say: the word for it, the signs, and how else it is spelled; `stems` are words with
    any ending."""

    word: str
    signs: Some
    words: Some
    stems: Words = ()


class Stains(Model):
    """How charts write what a stain says. The first of `names` stands for all; alone a sign counts before `of`."""

    names: Some
    of: Some
    says: Annotated[tuple[StainSays, ...], Field(min_length=1)]


class Counts(Model):
    """How charts write that of several things none is so: `none`, `of` and a number or some of `things`, and what is
    `found` of them; or the things `among` which there is none. All of it is read as `word`."""

    word: str = ""
    none: Words = ()
    of: Words = ()
    among: Words = ()
    numbers: Words = ()
    things: Words = ()
    found: Words = ()


class NotGrown(Model):
    """How laboratories deny what was looked for: `before` it, or `after` it with at most `reach` words between."""

    before: Words = ()
    after: Words = ()
    reach: int = 0


class Apart(Model):
    """What stands between a name and a denial that is not of it: one of `of`, right before one of `denials`. `texts`
    only look like a cue."""

    texts: Words = ()
    of: Words = ()
    denials: Words = ()


class Languages(Model):
    """`rules/languages.yaml`. `spellings` are those of the languages that write words of Greek and Latin otherwise;
    `abbreviated` words whose full stop ends no sentence; `no_words` what names nothing beside words that are not
    read: units, forms, numerals. `tests` may stand between what is looked for and the answer ("influenza PCR
    negative"), but not behind one of `syndromes`, which no test rules out. For what is
    `tested` one is tested together: a denial goes on over the commas of such a list. `not_grown` and `apart` are
    read in whatever language the rest is."""

    reach: Reach
    languages: dict[Id, Language]
    placeholders: Placeholders
    abbreviations: Words
    abbreviated: Words = ()
    no_words: Annotated[Words, Field(alias="no-words")] = ()
    tests: Words = ()
    tested: Words = ()
    not_grown: Annotated[NotGrown, Field(alias="not-grown")] = NotGrown()
    apart: Apart = Apart()
    syndromes: Words = ()
    spellings: dict[Id, Spelling]
    stains: Stains
    counts: Counts = Counts()


class CodeFamily(Model):
    """One code system under all its URIs; families of one `group` share their codes.

    `sequela` is the seventh character of a code that speaks of what an illness has left behind.
    """

    title: str
    group: str = ""
    match: Literal["exact", "prefix", "ndc", "cvx"]
    whole: bool = False
    sequela: str = ""
    systems: tuple[str, ...]


class NoInformation(Model):
    """A code that says that nobody asked or nobody knows."""

    system: str
    code: str
    display: str


class CodeSystems(Model):
    """`rules/code-systems.yaml`."""

    families: dict[Id, CodeFamily]
    none: tuple[str, ...]
    no_information: tuple[NoInformation, ...]
