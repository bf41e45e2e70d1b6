"""Carriers: their names, the slugs plug-ins call them by, and where they tell of a parcel."""

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit


class Carrier(NamedTuple):
    name: str
    # {} stands for the number; empty where the carrier has no address that takes one.
    url: str
    aliases: tuple[str, ...] = ()


CARRIERS: dict[str, Carrier] = {
    # India
    "india-post": Carrier("India Post", "https://www.indiapost.gov.in/vas/pages/findconsignment.aspx?consignmentno={}", ("speed-post", "indiapost")),
    "delhivery": Carrier("Delhivery", "https://www.delhivery.com/track-v2/package/{}"),
    "blue-dart": Carrier("Blue Dart", "https://www.bluedart.com/trackdartresultthirdparty?trackFor=0&trackNo={}", ("bluedart",)),
    "dtdc": Carrier("DTDC", "https://www.dtdc.in/trace.asp?strCnno={}", ("dtdc-india", "dtdc-express")),
    "ekart": Carrier("Ekart", "https://ekartlogistics.com/shipmenttrack/{}", ("ekart-logistics",)),
    "shiprocket": Carrier("Shiprocket", "https://shiprocket.co/tracking/{}"),
    "xpressbees": Carrier("XpressBees", "https://www.xpressbees.com/shipment/tracking?awbNo={}"),
    "ecom-express": Carrier("Ecom Express", "https://ecomexpress.in/tracking/?awb_field={}"),
    "shadowfax": Carrier("Shadowfax", "https://tracker.shadowfax.in/#/track/{}"),
    # Germany, Austria, Switzerland
    "dhl": Carrier("DHL", "https://www.dhl.com/global-en/home/tracking.html?tracking-id={}", ("dhl-express", "dhl-intraship", "dhl-global")),
    "dhl-de": Carrier("DHL Paket", "https://www.dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode={}", ("dhl-germany", "deutsche-post-dhl", "dhl-paket")),
    "hermes": Carrier("Hermes", "https://www.myhermes.de/empfangen/sendungsverfolgung/sendungsinformation/#{}", ("hermes-de", "hermes-germany")),
    "austrian-post": Carrier("Österreichische Post", "https://www.post.at/s/sendungsdetails?snr={}", ("post-at", "post-ag", "osterreichische-post")),
    "swiss-post": Carrier("Swiss Post", "https://service.post.ch/ekp-web/ui/entry/search/{}", ("die-post", "la-poste-suisse")),
    # Europe
    "dpd": Carrier("DPD", "https://tracking.dpd.de/parcelstatus?query={}", ("dpd-de", "dpd-germany")),
    "dpd-uk": Carrier("DPD UK", "https://track.dpd.co.uk/search?reference={}", ("dpd-co-uk", "dpd-local")),
    "gls": Carrier("GLS", "https://gls-group.com/EU/en/parcel-tracking?match={}", ("gls-germany", "gls-europe")),
    "royal-mail": Carrier("Royal Mail", "https://www.royalmail.com/track-your-item#/tracking-results/{}", ("royalmail", "parcelforce")),
    "evri": Carrier("Evri", "https://www.evri.com/track/parcel/{}", ("hermes-uk", "myhermes")),
    "postnl": Carrier("PostNL", "https://jouw.postnl.nl/track-and-trace/{}", ("post-nl",)),
    "la-poste": Carrier("La Poste", "https://www.laposte.fr/outils/suivre-vos-envois?code={}", ("colissimo", "laposte")),
    "correos": Carrier("Correos", "https://www.correos.es/es/es/herramientas/localizador/envios/detalle?tracking-number={}"),
    "poste-italiane": Carrier("Poste Italiane", "https://www.poste.it/cerca/index.html#/risultati-spedizioni/{}", ("posteitaliane",)),
    "bpost": Carrier("bpost", "https://track.bpost.cloud/btr/web/#/search?itemCode={}"),
    "postnord": Carrier("PostNord", "https://tracking.postnord.com/en/tracking?id={}", ("postnord-sverige", "postnord-danmark")),
    "inpost": Carrier("InPost", "https://inpost.pl/en/find-parcel?number={}"),
    # World
    "ups": Carrier("UPS", "https://www.ups.com/track?tracknum={}"),
    "fedex": Carrier("FedEx", "https://www.fedex.com/fedextrack/?trknbr={}"),
    "usps": Carrier("USPS", "https://tools.usps.com/go/TrackConfirmAction?tLabels={}"),
    "aramex": Carrier("Aramex", "https://www.aramex.com/track/results?ShipmentNumber={}"),
    "canada-post": Carrier("Canada Post", "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}"),
    "australia-post": Carrier("Australia Post", "https://auspost.com.au/mypost/track/details/{}"),
    "japan-post": Carrier("Japan Post", "https://trackings.post.japanpost.jp/services/srv/search/?requestNo1={}&locale=en"),
}  # fmt: skip

_BY_ALIAS = {alias: slug for slug, carrier in CARRIERS.items() for alias in (slug, *carrier.aliases)}


def find(text: str) -> tuple[str, str]:
    """`(slug, name)` of what a plug-in wrote: "dhl", "India Post", "Deutsche Post DHL"; an unknown carrier keeps its own words."""
    text = " ".join(text.split())
    slug = _BY_ALIAS.get(re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-"))
    return (slug, CARRIERS[slug].name) if slug else ("", text[:150])


def tracking_url(slug: str, number: str) -> str:
    """The carrier's page about this number, or nothing."""
    carrier = CARRIERS.get(slug)
    return carrier.url.format(quote(number, safe="")) if carrier and carrier.url and number else ""


def safe_url(link: str, number: str = "", postcode: str = "") -> str:
    """A shop's own link, with its places for number and postcode (`%1$s`, `%2$s`) filled; nothing unless it is http(s)."""
    link = link.strip()
    # As sprintf would, and no further: a per cent sign of an encoded address stays.
    for place, value in (("%1$s", number), ("%2$s", postcode), ("%s", number)):
        link = link.replace(place, quote(value, safe=""))
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f<>\"]", link):
        return ""
    return link[:2000]
