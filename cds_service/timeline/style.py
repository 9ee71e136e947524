"""The looks of the picture: colours as custom properties, for light, dark and print."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
.tl{--tl-ink:#1b1f24;--tl-soft:#59616b;--tl-grid:#e3e6ea;--tl-day:#b9c0c8;--tl-one:#0a5aa8;--tl-two:#b0480a;
--tl-bar:#bcd7f2;--tl-limit:#7d5c0c;--tl-critical:#a3161e;--tl-warning:#8a5a00;--tl-info:#0a5aa8;--tl-page:#fff;
display:block;overflow:visible;color:var(--tl-ink);font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media (prefers-color-scheme:dark){.tl{--tl-ink:#e8eaed;--tl-soft:#a8b0ba;--tl-grid:#2b313a;--tl-day:#4d5661;
--tl-one:#8ec2ff;--tl-two:#ffb071;--tl-bar:#24466b;--tl-limit:#d9b45a;--tl-critical:#ff9a9a;--tl-warning:#ffcf70;
--tl-info:#8ec2ff;--tl-page:#14171b}}
@media print{.tl{--tl-ink:#000;--tl-soft:#444;--tl-grid:#ddd;--tl-day:#999;--tl-one:#0a4a8a;--tl-two:#9a3c00;
--tl-bar:#cfe2f5;--tl-limit:#6b5010;--tl-critical:#8d0f17;--tl-warning:#6b4600;--tl-info:#0a4a8a;--tl-page:#fff;
break-inside:avoid;print-color-adjust:exact}}
.tl text{fill:var(--tl-ink)}
.tl .soft,.tl .tick{fill:var(--tl-soft);font-size:11px}
.tl .name{font-weight:600}
.tl .tick,.tl .limit-name{paint-order:stroke;stroke:var(--tl-page);stroke-width:3px}
.tl .grid{stroke:var(--tl-grid)}
.tl .day{stroke:var(--tl-day)}
.tl .end{text-anchor:end}
.tl .mid{text-anchor:middle}
.tl .limit{stroke:var(--tl-limit);stroke-dasharray:5 4}
.tl .limit-name{fill:var(--tl-limit);font-size:11px}
.tl path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.tl path.step{stroke-width:3}
.tl .one{stroke:var(--tl-one)}
.tl .two{stroke:var(--tl-two);stroke-dasharray:6 3}
.tl .n-one{fill:var(--tl-one)}
.tl .n-two{fill:var(--tl-two)}
.tl circle.dot{fill:var(--tl-one)}
.tl .mark{fill:var(--tl-one);stroke:var(--tl-one);stroke-width:2}
.tl .mark.hollow{fill:var(--tl-page)}
.tl .bar{fill:var(--tl-bar)}
.tl .unknown{fill:none;stroke:var(--tl-soft);stroke-dasharray:2 4}
.tl .answer{fill:currentColor;fill-opacity:.16}
.tl .edge{fill:currentColor}
.tl .critical{color:var(--tl-critical)}
.tl .warning{color:var(--tl-warning)}
.tl .info{color:var(--tl-info)}
.tl .none{color:var(--tl-day)}
.tl .now{stroke:var(--tl-ink);stroke-width:1.5}
.tl .runs path{stroke:currentColor;stroke-width:24;stroke-opacity:.25}
.tl .points path{stroke-width:8;stroke-linecap:round}
.tl .points .hollow{stroke-width:6;stroke-opacity:.5}
.tl .lasting .one{stroke:var(--tl-bar);stroke-width:14}
.tl .lasting .unknown{stroke:var(--tl-soft);stroke-width:1}
@media (max-width:640px){.tl .w{display:none}}
"""
