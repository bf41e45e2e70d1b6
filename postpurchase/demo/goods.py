"""What Masala House sells."""

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
# SKU, name, category, price, sale price, drawing, tax class, tags
SIMPLE = [
    ("TEA-01", "Masala Chai 250g", "Tea &amp; Spices", "249", "", "cup", "reduced-rate", ["gift"]),
    ("TEA-02", "Darjeeling First Flush 100g", "Tea &amp; Spices", "620", "", "pot", "reduced-rate", ["bio/öko"]),
    ("TEA-03", "Nilgiri Green Tea 100g", "Tea &amp; Spices", "340", "299", "leaf", "reduced-rate", ["sale", "bio/öko"]),
    ("TEA-04", "Kashmiri Kahwa Tin", "Tea &amp; Spices", "499.5", "", "tin", "reduced-rate", ["gift", "नया"]),
    ("SPC-01", "हळद पावडर", "मसाले", "136.75", "", "bowl", "reduced-rate", ["bio/öko"]),
    ("SPC-02", 'Cardamom "Green" 50g', "मसाले", "274", "", "pods", "reduced-rate", []),
    ("SPC-03", "Garam Masala 100g", "मसाले", "189", "159", "chilli", "reduced-rate", ["sale"]),
    ("SPC-04", "Kesar (Saffron) 1g", "मसाले", "395", "", "flower", "reduced-rate", ["gift"]),
    ("SPC-05", "Mango Pickle आम का अचार", "मसाले", "220", "", "jar", "reduced-rate", []),
    ("HOM-01", "Brass Diya, pair", "Brass &amp; Home", "449", "", "lamp", "", ["gift"]),
    ("HOM-02", "Brass Diya, set of six", "Brass &amp; Home", "1199", "999", "lamp", "", ["gift", "sale"]),
    ("HOM-03", "Sandalwood Incense", "Brass &amp; Home", "149", "", "incense", "", []),
    ("HOM-04", "Copper Water Bottle 1L", "Brass &amp; Home", "899", "", "bottle", "", ["नया"]),
    ("HOM-05", "Puja Bell", "Brass &amp; Home", "560", "", "bell", "", []),
    ("KIT-01", "Steel Tiffin, three tiers", "Kitchen", "1290", "", "tiffin", "", []),
    ("KIT-02", "Masala Dabba", "Kitchen", "1575", "1399", "dabba", "", ["sale", "gift"]),
    ("KIT-03", "Kulhad Mugs, set of 4", "Kitchen", "640", "", "cup", "", ["नया"]),
    ("KIT-04", "Teekanne aus Ton", "Kitchen", "875", "", "pot", "", []),
    ("KIT-05", "Stone Mortar & Pestle", "Kitchen", "720", "", "mortar", "", []),
    ("TXT-01", "Block-print Table Runner", "Textiles", "780", "", "cloth", "", []),
    ("TXT-02", "Cotton Kurta, indigo", "Textiles", "1490", "", "shirt", "", []),
    ("BOK-01", "Notebook, handmade paper A5", "Bücher &amp; Downloads", "385", "", "book", "", ["gift"]),
]
# SKU, name, category, drawing, sizes, colours, price
VARIABLE = [
    ("SAR", "Paithani Saree साडी", "Textiles", "saree", ["Cotton", "Silk"], ["लाल", "Peacock blue", "Mustard"], 2450),
    ("SHA", "Pashmina Shawl", "Textiles", "shawl", ["Regular", "Large"], ["Ivory", "Rose"], 1890),
    ("TEE", "T-Shirt “Chai first”", "Textiles", "shirt", ["S", "M", "L"], ["White", "Charcoal"], 599),
]
WITHOUT_PICTURE = "TEE"
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


DRAWING = {row[0]: row[5] for row in SIMPLE} | {row[0]: row[3] for row in VARIABLE} | {"EBOOK-1": "book"}
