"""What Masala House sells, and the pictures of it, drawn on the fly."""

from html import escape

CATEGORIES = [
    # name, parent's name, colour
    ("Uncategorized", "", "#8a8f98"),
    ("Tea &amp; Spices", "", "#b4581c"),
    ("मसाले", "Tea &amp; Spices", "#c98a0c"),
    ("Brass &amp; Home", "", "#9a7418"),
    ("Textiles", "", "#8b2a5b"),
    ("Kitchen", "", "#2f6f6a"),
    ("Bücher &amp; Downloads", "", "#4a5a9a"),
]
TAGS = ["sale", "नया", "bio/öko", "gift"]
# SKU, name, category, price, sale price, emoji, tax class, tags
SIMPLE = [
    ("TEA-01", "Masala Chai 250g", "Tea &amp; Spices", "249", "", "🍵", "reduced-rate", ["gift"]),
    ("TEA-02", "Darjeeling First Flush 100g", "Tea &amp; Spices", "620", "", "🫖", "reduced-rate", ["bio/öko"]),
    ("TEA-03", "Nilgiri Green Tea 100g", "Tea &amp; Spices", "340", "299", "🍃", "reduced-rate", ["sale", "bio/öko"]),
    ("TEA-04", "Kashmiri Kahwa Tin", "Tea &amp; Spices", "499.5", "", "🌼", "reduced-rate", ["gift", "नया"]),
    ("SPC-01", "हळद पावडर", "मसाले", "136.75", "", "🟡", "reduced-rate", ["bio/öko"]),
    ("SPC-02", 'Cardamom "Green" 50g', "मसाले", "274", "", "💚", "reduced-rate", []),
    ("SPC-03", "Garam Masala 100g", "मसाले", "189", "159", "🌶️", "reduced-rate", ["sale"]),
    ("SPC-04", "Kesar (Saffron) 1g", "मसाले", "395", "", "🌸", "reduced-rate", ["gift"]),
    ("SPC-05", "Mango Pickle आम का अचार", "मसाले", "220", "", "🥭", "reduced-rate", []),
    ("HOM-01", "Brass Diya, pair", "Brass &amp; Home", "449", "", "🪔", "", ["gift"]),
    ("HOM-02", "Brass Diya, set of six", "Brass &amp; Home", "1199", "999", "🪔", "", ["gift", "sale"]),
    ("HOM-03", "Sandalwood Incense", "Brass &amp; Home", "149", "", "🌿", "", []),
    ("HOM-04", "Copper Water Bottle 1L", "Brass &amp; Home", "899", "", "🫙", "", ["नया"]),
    ("HOM-05", "Puja Bell", "Brass &amp; Home", "560", "", "🔔", "", []),
    ("KIT-01", "Steel Tiffin, three tiers", "Kitchen", "1290", "", "🍱", "", []),
    ("KIT-02", "Masala Dabba", "Kitchen", "1575", "1399", "🥘", "", ["sale", "gift"]),
    ("KIT-03", "Kulhad Mugs, set of 4", "Kitchen", "640", "", "☕", "", ["नया"]),
    ("KIT-04", "Teekanne aus Ton", "Kitchen", "875", "", "🫖", "", []),
    ("KIT-05", "Stone Mortar & Pestle", "Kitchen", "720", "", "🥣", "", []),
    ("TXT-01", "Block-print Table Runner", "Textiles", "780", "", "🧵", "", []),
    ("TXT-02", "Cotton Kurta, indigo", "Textiles", "1490", "", "👕", "", []),
    ("BOK-01", "Notebook, handmade paper A5", "Bücher &amp; Downloads", "385", "", "📓", "", ["gift"]),
]
# SKU, name, category, emoji, sizes, colours, price
VARIABLE = [
    ("SAR", "Paithani Saree साडी", "Textiles", "🥻", ["Cotton", "Silk"], ["लाल", "Peacock blue", "Mustard"], 2450),
    ("SHA", "Pashmina Shawl", "Textiles", "🧣", ["Regular", "Large"], ["Ivory", "Rose"], 1890),
    ("TEE", "T-Shirt “Chai first”", "Textiles", "👚", ["S", "M", "L"], ["White", "Charcoal"], 599),
]
CROSS = {
    # SKU: (up-sell SKUs, cross-sell SKUs)
    "TEA-01": (["TEA-04", "TEA-02"], ["KIT-03", "SPC-02"]),
    "TEA-02": (["TEA-04"], ["KIT-04"]),
    "HOM-01": (["HOM-02"], ["HOM-03", "HOM-05"]),
    "KIT-03": ([], ["TEA-01", "TEA-03"]),
    "SPC-03": (["KIT-02"], ["SPC-01", "SPC-02"]),
}
COUPONS = [
    # code, type, amount
    ("welcome10", "percent", "10"),
    ("दिवाळी", "percent", "15"),
    ("tea100", "fixed_cart", "100"),
    ("festive20", "percent", "20"),
]
COLOURS = {name: colour for name, _, colour in CATEGORIES}


def picture(category: str, emoji: str, name: str) -> str:
    """A square SVG: the category's colour, the emoji, the name for those who can't see it."""
    colour = COLOURS.get(category, "#8a8f98")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img" aria-label="{escape(name)}">'
        f'<defs><radialGradient id="g" cx="35%" cy="30%" r="90%"><stop offset="0" stop-color="#fff6e6"/>'
        f'<stop offset="1" stop-color="{colour}" stop-opacity=".45"/></radialGradient></defs>'
        f'<rect width="400" height="400" fill="url(#g)"/>'
        f'<circle cx="200" cy="205" r="128" fill="{colour}" fill-opacity=".16"/>'
        f'<ellipse cx="200" cy="322" rx="104" ry="14" fill="#000" fill-opacity=".10"/>'
        f'<text x="200" y="262" font-size="160" text-anchor="middle">{emoji}</text></svg>'
    )


EMOJI = {row[0]: row[5] for row in SIMPLE} | {row[0]: row[3] for row in VARIABLE} | {"EBOOK-1": "📕"}
