"""Whether a message of a server says in passing that something was left out, hidden, filtered, limited or not allowed.

Words of seven languages, of servers and not of medicine: general knowledge. What is told is folded first (`fold`), so
no accents stand here. A clause that denies it ("no records were filtered"), or that only speaks of a parameter of the
search, says nothing of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cds_service.chart.words import fold

_RESULTS: Final = r"(?:results?|records?|resources?|entries|entry|items?|matches|data|information|list)"
# What stands for itself: something is missing.
_LEFT_OUT: Final = (
    # English
    r"with(?:held|hold|holds|holding)",
    r"(?:not|never|\w+n't) (?:been |be )?(?:fully |completely )?(?:included|shown|returned|displayed|sent|transmitted|"
    r"provided|disclosed|released|visible|complete|retrieved|loaded)",
    rf"(?:not|\w+n't) (?:been |be )?(?:accessible|available)(?= to (?:you|the user|this))"
    rf"|{_RESULTS} (?:is|are) not available",
    r"(?:could not|cannot|can not|unable to) (?:be )?(?:retrieved?|load(?:ed)?|read|fetch(?:ed)?|return(?:ed)?|access)",
    rf"not all (?:of the |of this patient's )?(?:\w+ )?{_RESULTS}",
    r"left out|omitted|redacted|truncated|suppressed|incomplete|partial(?:ly)? (?:results?|response|list|data|success)",
    rf"excluded|hidden|hides|masked(?! value set)|obscured|blocked|blanked|stripped|cut off|sealed"
    rf"|{_RESULTS} (?:was|were|have been) removed",
    r"filtered(?! (?:by|on|using|according to) (?:the )?(?:date|status|code|category|type|search|request|quer|param))",
    rf"restricted (?:\w+ )?{_RESULTS}|{_RESULTS} (?:is|are|was|were) restricted|access (?:\w+ )?restricted",
    r"break[ -]the[ -]glass|too many (?:results?|records?|matches|resources)|did not respond|not respond(?:ing)?",
    r"only (?:the )?(?:first|last|newest|most recent|latest)\b|limited to (?:the )?(?:first|last|newest|latest|\d)",
    r"(?:lacks?|lacking|missing|insufficient|without) (?:the )?(?:\w+ )?(?:permissions?|privileges?|authori[sz]ation|"
    r"rights?|scopes?|consent)|no (?:permissions?|authori[sz]ation|access rights?)",
    r"(?:not|un) ?(?:authori[sz]ed|permitted|allowed) (?:to|for)|(?:access|permission) (?:was |is )?denied",
    # German
    r"nicht (?:\w+ )?(?:ubermittelt|angezeigt|enthalten|ausgegeben|gesendet|zuruckgegeben|geliefert|dargestellt|"
    r"freigegeben|sichtbar|mitgeteilt|vollstandig|einsehbar|gezeigt|ubertragen|bereitgestellt|abrufbar|berechtigt)",
    r"nicht alle (?:\w+ )?(?:ergebnisse|eintrage|daten|treffer|datensatze|ressourcen|befunde|werte)",
    r"ausgeblendet|ausgelassen|weggelassen|zuruckgehalten|(?:heraus|aus|weg)?gefiltert|unvollstandig|gekurzt|abgeschnitten|"
    r"ausgeschlossen|unterdruckt|geschwarzt|verborgen|gesperrte?n?|teilergebnis\w*|nur die (?:ersten|letzten|neuesten)",
    r"(?:fehlende|keine|unzureichende|mangelnde) (?:\w+ )?(?:berechtigung|zugriffsrechte|zugriffsberechtigung|rechte)",
    r"zugriff (?:\w+ )?verweigert|beschrankt auf|zu viele (?:treffer|ergebnisse)",
    # French
    r"(?:non|pas(?: ete)?) (?:transmis|affiche|inclus|communique|retourne|renvoye|fourni|envoye|visible|accessible)\w*",
    r"masque[es]*|(?:est|sont|ete) cache[es]*|omis\w*|exclu[es]*|filtre[es]+|tronque\w*|incomplet\w*|expurge\w*"
    r"|retenu[es]*",
    r"seul(?:e?s)? les|limite\w* aux|droits insuffisants|acces (?:refuse|restreint)|pas (?:l'autorisation|autorise)\w*",
    r"pas tou(?:s|tes) les",
    # Spanish
    r"no (?:se |han |ha |fueron |sido |fue )*(?:muestra|mostrad|incluy|incluid|envi|transmit|devolv|devuelt|visualiz|"
    r"proporcion|disponible)\w*",
    r"ocult[oa]s?|ocultad\w*|omitid\w*|excluid\w*|filtrad\w*|truncad\w*|incomplet[oa]s?|retenid\w*|suprimid\w*",
    r"solo (?:se muestran |los |las )+(?:primer|ultim)\w*|limitad[oa]s? a l[oa]s|(?:sin|falta de) permisos?|"
    r"permisos? insuficientes?|acceso (?:denegado|restringido)|no autorizad\w*|no tod[oa]s l[oa]s",
    # Italian
    r"non (?:sono |stati |state |e |stato |stata )*(?:mostrat|visualizzat|inclus|trasmess|inviat|restituit|fornit|"
    r"visibil|autorizzat)\w*",
    r"nascost\w*|omess\w*|esclus[oaie]|filtrat[oaie]|troncat\w*|incomplet[oaie]|trattenut\w*|soppress\w*|oscurat\w*",
    r"solo (?:i|le) prim[ie]|limitat[oaie] a(?:i|lle)|permessi insufficienti|accesso (?:negato|limitato)|non tutt[ie]",
    # Japanese, Korean
    r"非表示|表示(?:されて|して)?(?:いません|いない|されません|されない)|除外|省略|伏せ|一部のみ|不完全|切り捨て|秘匿",
    r"含まれて(?:いません|いない)|送信され(?:ません|ていません|ない)|権限(?:が|の)?(?:ない|ありません|不足)|非公開|制限されて",
    r"最初の\d+件のみ|絞り込まれ|フィルタ",
    r"숨겨|숨김|제외|생략|표시되지 ?않|표시 안|포함되지 ?않|전송되지 ?않"
    r"|불완전|일부만|권한이? ?(?:없|부족)|비공개|필터링|가려",
    r"처음 \d+건만|접근이? ?제한",
)
_SAYS: Final = re.compile(rf"(?<![a-z])(?:{'|'.join(_LEFT_OUT)})(?![a-z])")
_CLAUSES: Final = re.compile(r"[.;\n。；]|, |: |、")
# Before it, with a few words between that give no reason of their own.
_DENIED: Final = re.compile(
    r"(?:^|[^\w])(?:no|none|nothing|not|never|zero|0|without any|keine?|keiner|keines|nichts|nicht|aucune?|rien|pas|"
    r"ningun|ninguna|nada|no se|no se han?|nessun|nessuna|nessuno|niente|non|non e|non sono)"
    r"(?: (?!because|due|since|as|and|but|wegen|und|car|porque|perche)[^\W\d]+){0,4}? $"
)
_DENIED_AFTER: Final = re.compile(r"[^。]{0,12}(?:なし|ありません|없음|없습니다|ではありません)")
_OF_SEARCH: Final = re.compile(
    r"parameter|_sort|_include|_count|_summary|elements?\b|entered.in.error|duplicates?\b|dubletten"
)
_NAMES_RESULTS: Final = re.compile(rf"\b{_RESULTS}\b")
_SOME_OF: Final = re.compile(
    rf"\b(\d{{1,6}}) (?:out of|of|von|sur|de|di) (\d{{1,6}})(?: \w+)? ?(?:{_RESULTS}|treffer|resul)"
)


def leaves_out(texts: Iterable[str]) -> bool:
    """Whether one of some messages says that there is more than what was sent. Linear in their length."""
    return any(_leaves_out(clause) for text in texts for clause in _CLAUSES.split(fold(text)))


def _leaves_out(clause: str) -> bool:
    if _OF_SEARCH.search(clause) and not _NAMES_RESULTS.search(clause):
        return False
    if any(int(some) < int(whole) for some, whole in _SOME_OF.findall(clause)):
        return True
    return any(not _is_denied(clause, said) for said in _SAYS.finditer(clause))


def _is_denied(clause: str, said: re.Match[str]) -> bool:
    before = clause[max(0, said.start() - 60) : said.start()]
    return bool(_DENIED.search(before)) or bool(_DENIED_AFTER.match(clause, said.end()))
