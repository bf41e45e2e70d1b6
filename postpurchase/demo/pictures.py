"""Pictures of the goods, drawn: no font and no outside file is needed."""

from html import escape

# Each drawing sits around (200, 200), within 110 of it; `c` is filled with the category's colour, `d` is its shade.
DRAWINGS = {
    "cup": '<path class="c" d="M110 150h150v70a75 75 0 0 1-150 0z"/><path class="l" d="M260 165h22a28 28 0 0 1 0 60h-26"/><path class="d" d="M95 300h180l-14 18H109z"/><path class="l" d="M155 128q-14-18 0-36t0-34M205 128q-14-18 0-36t0-34"/>',
    "pot": '<path class="c" d="M120 180q0-60 75-60t75 60v50q0 60-75 60t-75-60z"/><path class="l" d="M268 180q46-6 52 40M122 190q-46-20-52 30t56 36"/><path class="d" d="M150 122q45-22 90 0z"/><circle class="d" cx="195" cy="98" r="12"/><path class="d" d="M150 292h90v14h-90z"/>',
    "leaf": '<path class="c" d="M110 280q-10-150 180-170q10 180-150 176z"/><path class="l" d="M104 304q60-96 140-140M160 228l4-46M192 196l46 2"/>',
    "tin": '<rect class="c" x="130" y="130" width="140" height="170" rx="10"/><rect class="d" x="122" y="104" width="156" height="36" rx="8"/><circle class="w" cx="200" cy="218" r="42"/><path class="l" d="M200 196v44M178 218h44M184 202l32 32M216 202l-32 32"/>',
    "bowl": '<path class="w" d="M120 195q80-110 160 0z"/><path class="c" d="M92 195h216q-6 96-108 96T92 195z"/><path class="d" d="M150 288h100v16H150z"/><path class="l" d="M150 172q50-50 100 0"/>',
    "pods": '<g transform="rotate(-18 200 200)"><ellipse class="c" cx="150" cy="210" rx="34" ry="80"/><ellipse class="c" cx="250" cy="190" rx="34" ry="80"/><path class="l" d="M150 134v152M250 114v152M134 160v100M266 140v100"/></g><circle class="d" cx="200" cy="296" r="10"/><circle class="d" cx="228" cy="304" r="8"/>',
    "chilli": '<path class="c" d="M250 130q70 30 20 110T110 300q110-30 110-110q0-40 30-60z"/><path class="l" d="M246 134q-4-36 26-48"/><path class="w" d="M256 160q24 30-8 74q18-44 8-74z"/>',
    "flower": '<g class="c"><ellipse cx="200" cy="140" rx="30" ry="54"/><ellipse cx="200" cy="260" rx="30" ry="54"/><ellipse cx="140" cy="200" rx="54" ry="30"/><ellipse cx="260" cy="200" rx="54" ry="30"/></g><path class="l" d="M200 200l30-40M200 200l-34-34M200 200l6 46"/><circle class="d" cx="200" cy="200" r="26"/>',
    "jar": '<rect class="d" x="140" y="96" width="120" height="30" rx="8"/><path class="c" d="M146 126h108q26 20 26 50v96q0 28-28 28H148q-28 0-28-28v-96q0-30 26-50z"/><rect class="w" x="142" y="186" width="116" height="66" rx="8"/><path class="l" d="M164 208h72M164 230h48"/>',
    "lamp": '<path class="w" d="M200 84q44 52 0 92q-44-40 0-92z"/><path class="c" d="M86 190h228q-20 74-114 74T86 190z"/><path class="d" d="M176 262h48v20h38v20H138v-20h38z"/><path class="l" d="M112 206h176"/>',
    "incense": '<path class="d" d="M100 280h200l-22 28H122z"/><path class="l" d="M170 280l26-150M200 280l6-160M230 280l-14-150"/><path class="l" d="M196 118q-26-26 0-48M216 116q26-24 6-46"/><circle class="c" cx="200" cy="122" r="9"/>',
    "bottle": '<rect class="d" x="172" y="76" width="56" height="34" rx="6"/><path class="c" d="M176 110h48v22q34 16 34 60v92q0 22-22 22h-72q-22 0-22-22v-92q0-44 34-60z"/><path class="l" d="M142 214h116M142 240h116"/>',
    "bell": '<path class="l" d="M200 100v-22"/><circle class="d" cx="200" cy="72" r="14"/><path class="c" d="M200 100q62 0 66 100q2 40 34 66H100q32-26 34-66q4-100 66-100z"/><circle class="d" cx="200" cy="284" r="18"/><path class="l" d="M128 238h144"/>',
    "tiffin": '<path class="l" d="M140 120v-26q60-36 120 0v26"/><rect class="d" x="128" y="112" width="144" height="22" rx="8"/><rect class="c" x="122" y="136" width="156" height="50" rx="8"/><rect class="c" x="122" y="192" width="156" height="50" rx="8"/><rect class="c" x="122" y="248" width="156" height="50" rx="8"/><path class="l" d="M122 189h156M122 245h156"/>',
    "dabba": '<circle class="c" cx="200" cy="200" r="112"/><circle class="w" cx="200" cy="200" r="98"/><g class="d"><circle cx="200" cy="200" r="28"/><circle cx="200" cy="136" r="26"/><circle cx="255" cy="168" r="26"/><circle cx="255" cy="232" r="26"/><circle cx="200" cy="264" r="26"/><circle cx="145" cy="232" r="26"/><circle cx="145" cy="168" r="26"/></g>',
    "mortar": '<path class="l" d="M226 176l56-92" stroke-width="26"/><path class="c" d="M104 176h192q-6 84-54 104v20h-84v-20q-48-20-54-104z"/><path class="d" d="M96 162h208v22H96z"/>',
    "cloth": '<path class="c" d="M120 96h160v200H120z"/><path class="w" d="M120 130h160v14H120zM120 248h160v14H120z"/><path class="l" d="M200 166l30 30-30 30-30-30zM132 296v18M164 296v18M200 296v18M236 296v18M268 296v18"/>',
    "shirt": '<path class="c" d="M156 104l-66 36 20 56 32-14v128h116V182l32 14 20-56-66-36q-44 40-88 0z"/><path class="l" d="M200 132v66M188 150h24"/>',
    "shawl": '<path class="c" d="M90 120q110 60 220 0l-14 60q-40 30-62 34l10 92h-50l-10-96q-60-6-80-30z"/><path class="l" d="M112 150q88 46 176 0M204 306v14M224 306v14M240 306v14"/>',
    "saree": '<path class="c" d="M150 90q60-24 96 10l-16 66 50 140H112l42-140z"/><path class="w" d="M236 106q-70 40-106 200h-18l42-140q40-30 66-72z"/><path class="l" d="M116 294h160M122 276h148"/>',
    "book": '<path class="c" d="M116 100h150q18 0 18 18v188H134q-18 0-18-18z"/><path class="w" d="M134 288h150v18H134q-10-8 0-18z"/><path class="l" d="M150 140h98M150 166h70"/>',
}


def drawn(kind: str, colour: str, name: str) -> str:
    """A square SVG of a good in its category's colour; the name is for those who can't see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img" aria-label="{escape(name)}">'
        f'<defs><radialGradient id="g" cx="38%" cy="30%" r="90%"><stop offset="0" stop-color="#fffaf2"/>'
        f'<stop offset="1" stop-color="{colour}" stop-opacity=".38"/></radialGradient></defs>'
        f"<style>.c,.c *{{fill:{colour}}}.d,.d *{{fill:{colour};filter:brightness(.68)}}.w{{fill:#fff6e4}}"
        ".l{fill:none;stroke:#3b2415;stroke-width:7;stroke-linecap:round;stroke-linejoin:round}</style>"
        '<rect width="400" height="400" fill="#fbf1e2"/><rect width="400" height="400" fill="url(#g)"/>'
        '<ellipse cx="200" cy="322" rx="116" ry="13" fill="#2b1a10" fill-opacity=".12"/>'
        f"{DRAWINGS[kind]}</svg>"
    )
