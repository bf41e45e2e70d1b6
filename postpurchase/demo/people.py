"""Names and addresses of pretend customers, by country; streets exist nowhere and mail goes to reserved domains."""

import random
import unicodedata

INDIA: dict = {
    "first": [
        "Asha",
        "Priya",
        "Rohan",
        "Meera",
        "Arjun",
        "Kavita",
        "Sanjay",
        "Ananya",
        "Vikram",
        "Lakshmi",
        "Imran",
        "Neha",
        "Aditya",
        "Pooja",
        "Farhan",
        "Sneha",
        "आशा",
        "प्रिया",
        "संजय",
        "सुनीता",
    ],
    "last": [
        "Patil",
        "Kulkarni",
        "Deshpande",
        "Sharma",
        "Iyer",
        "Khan",
        "Nair",
        "Reddy",
        "Banerjee",
        "Joshi",
        "Mehta",
        "Singh",
        "पाटील",
        "देशमुख",
        "शर्मा",
    ],
    "places": [
        ("Pune", "MH", "411030"),
        ("मुंबई", "MH", "400001"),
        ("Nagpur", "MH", "440001"),
        ("Bengaluru", "KA", "560001"),
        ("Delhi", "DL", "110001"),
        ("Chennai", "TN", "600004"),
        ("Kolkata", "WB", "700019"),
    ],
    "streets": ["Laxmi Road", "M. G. Road", "Tilak Path", "Nehru Marg", "लक्ष्मी रोड", "Station Road"],
    "phone": "+91 98",
    "extra": ["", "", "Flat 3/B", "2nd floor, Shanti Niwas"],
}
EUROPE: dict = {
    "first": [
        "Anna",
        "Jürgen",
        "Chloé",
        "Björn",
        "Zoë",
        "Łukasz",
        "Ørjan",
        "Siân",
        "Mateusz",
        "Françoise",
        "Günther",
        "Inés",
        "Renée",
        "Søren",
        "Katarzyna",
        "Niall",
    ],
    "last": [
        "Weiß",
        "Müller",
        "Dvořák",
        "O'Brien",
        "Żółć",
        "Lefèvre",
        "García",
        "Ångström",
        "Jansen",
        "Rossi",
        "Kovačević",
        "Smith-Jones",
    ]
    + ["van der Berg"],
    "places": [
        ("Berlin", "DE-BE", "10115", "DE"),
        ("Köln", "DE-NW", "50667", "DE"),
        ("München", "DE-BY", "80331", "DE"),
        ("Lyon", "", "69001", "FR"),
        ("London", "", "E1 6AN", "GB"),
        ("Leeds", "", "LS1 4DY", "GB"),
        ("Amsterdam", "", "1012 JS", "NL"),
        ("Kraków", "", "31-001", "PL"),
    ],
    "streets": ["Lindenstraße", "Rue des Fleurs", "Mill Lane", "Hoofdweg", "ul. Kwiatowa", "High Street"],
    "phone": "+49 30",
    "extra": ["", "", "", "c/o Café Zimt"],
}
AMERICA: dict = {
    "first": [
        "Emily",
        "Jordan",
        "Michael",
        "Maria",
        "Tyler",
        "Grace",
        "DeShawn",
        "Olivia",
        "Noah",
        "Aaliyah",
        "Wei",
        "田中",
        "Diego",
        "Hannah",
    ],
    "last": [
        "Johnson",
        "Rodriguez",
        "Nguyen",
        "Washington",
        "Miller",
        "Chen",
        "Okafor",
        "Brooks",
        "Garcia",
        "Cohen",
        "李",
    ],
    "places": [
        ("New York", "NY", "10001"),
        ("Austin", "TX", "73301"),
        ("San José", "CA", "95112"),
        ("Portland", "OR", "97201"),
        ("Chicago", "IL", "60601"),
    ],
    "streets": ["Main Street", "Oak Avenue", "5th Street", "Sunset Boulevard"],
    "phone": "+1 555 01",
    "extra": ["", "", "Apt 4C", "Suite 210"],
}
REGIONS = [(INDIA, "IN", 60), (EUROPE, "", 25), (AMERICA, "US", 15)]
# Names that break what was only tried on plain ones: right to left, emoji, one letter, very long.
ODD = [
    ("محمد", "العلي"),
    ("שרה", "לוי"),
    ("Mia 🌸", "Sørensen"),
    ("Q", "Ó Súilleabháin"),
    ("Venkatanarasimharajuvaripeta", "Subrahmanyam-Chandrashekhar"),
    ("<b>Robert</b>", "O'Neil & Sons"),
]


def person(r: random.Random, number: int) -> dict:
    """A billing address with an e-mail of its own."""
    region, country, _ = r.choices(REGIONS, [weight for *_, weight in REGIONS])[0]
    place = r.choice(region["places"])
    first, last = ODD[number % len(ODD)] if number % 43 == 7 else (r.choice(region["first"]), r.choice(region["last"]))
    phone = region["phone"] + "".join(str(r.randrange(10)) for _ in range(8))
    return {
        "first_name": first,
        "last_name": last,
        "company": "Chai & Co. GmbH" if r.random() < 0.03 else "",
        "address_1": f"{r.randrange(1, 240)} {r.choice(region['streets'])}",
        "address_2": r.choice(region["extra"]),
        "city": place[0],
        "state": place[1],
        "postcode": place[2],
        "country": country or place[3],
        "email": mail_name(first, number) + ("@mail.example" if country else "@post.example"),
        "phone": "" if r.random() < 0.15 else phone,
    }


def mail_name(first: str, number: int) -> str:
    plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode().lower()
    return "".join(filter(str.isalnum, plain))[:12] + str(number) if plain.strip() else f"customer{number}"
