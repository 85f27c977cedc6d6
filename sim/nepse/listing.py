"""Listed companies of the simulated exchange, invented, in the sectors of NEPSE; and its seventeen indices."""

import random
from dataclasses import dataclass

# sector -> (regulator, id of its index, end of the names of its companies)
SECTORS = {
    "Commercial Banks": ("Nepal Rastra Bank", 51, "Bank Limited"),
    "Hotels And Tourism": ("Ministry of Tourism", 52, "Hotels Limited"),
    "Others": ("Office of the Company Registrar", 53, "Telecom Limited"),
    "Hydro Power": ("Department of Electricity Development", 54, "Hydropower Company Limited"),
    "Development Banks": ("Nepal Rastra Bank", 55, "Bikas Bank Limited"),
    "Manufacturing And Processing": ("Ministry of Industry", 56, "Cement Industries Limited"),
    "Non Life Insurance": ("Nepal Insurance Authority", 59, "Insurance Company Limited"),
    "Finance": ("Nepal Rastra Bank", 60, "Finance Limited"),
    "Tradings": ("Department of Commerce", 61, "Trading Limited"),
    "Microfinance": ("Nepal Rastra Bank", 64, "Laghubitta Bittiya Sanstha Limited"),
    "Life Insurance": ("Nepal Insurance Authority", 65, "Life Insurance Limited"),
    "Mutual Fund": ("Securities Board of Nepal", 66, "Growth Fund"),
    "Investment": ("Office of the Company Registrar", 67, "Investment Limited"),
}
# id -> (code, name): sub-indices here; /nepse-index returns the four of MAIN_INDICES
SUB_INDICES = {
    51: ("BANKSUBIND", "Banking SubIndex"),
    52: ("HOTELIND", "Hotels And Tourism Index"),
    53: ("OTHERSIND", "Others Index"),
    54: ("HYDROPOWIND", "HydroPower Index"),
    55: ("DEVBANKIND", "Development Bank Index"),
    56: ("MANPROCIND", "Manufacturing And Processing"),
    59: ("NONLIFIND", "Non Life Insurance"),
    60: ("FININD", "Finance Index"),
    61: ("TRDIND", "Trading Index"),
    64: ("MICRFININD", "Microfinance Index"),
    65: ("LIFINSIND", "Life Insurance"),
    66: ("MUTUALIND", "Mutual Fund"),
    67: ("INVIDX", "Investment Index"),
}
MAIN_INDICES = {
    57: ("SENIND", "Sensitive Index"),
    58: ("NEPSEIND", "NEPSE Index"),
    62: ("FLOATIND", "Float Index"),
    63: ("SENFLOATIND", "Sensitive Float Index"),
}
FIRST_VALUES = {57: 460.0, 58: 2700.0, 62: 185.0, 63: 160.0}  # value of an index on the first day; 1000 for sub-indices

FIRST_WORDS = """Laliguras Danphe Munal Chilaune Kafal Simal Bhakkimlo Ratopahar Nilgagan Setokhola Himkiran Suryapur
 Chandrakot Dhupisalla Kalobarsa Aankhijhyal Sunakhari Titepati Jhyaure Madalpur""".split()  # noqa: SIM905 - a page of quotes
NABIL_ID = 131


@dataclass(frozen=True, slots=True)
class Company:
    """One listed company."""

    id: int  # NEPSE's security id
    symbol: str  # upper case
    name: str
    sector: str  # a key of SECTORS
    first_price: float  # rupees; all its prices are around it
    shares: int  # number of listed shares


def make_companies(seed: int, count: int) -> tuple[Company, ...]:
    """Make companies; the same seed gives the same companies.

    Args:
        seed: any integer.
        count: number of companies, 1 to 260; NABIL with its real id 131 is always the first.
    Returns:
        the companies in the order of their ids.
    """
    chance = random.Random(f"listing {seed}")
    companies = [Company(NABIL_ID, "NABIL", "Nabil Bank Limited", "Commercial Banks", 520.0, 270_569_970)]
    names = [(word, sector) for word in FIRST_WORDS for sector in SECTORS]
    chance.shuffle(names)
    taken = {"NABIL"}
    security_id = NABIL_ID
    for word, sector in names[: count - 1]:
        security_id += chance.randint(1, 40)
        name = f"{word} {SECTORS[sector][2]}"
        symbol = _symbol(name, taken)
        taken.add(symbol)
        price = 10.0 if sector == "Mutual Fund" else float(chance.randint(180, 1500))
        companies.append(Company(security_id, symbol, name, sector, price, chance.randint(2_000, 90_000) * 1000))
    return tuple(companies)


def _symbol(name: str, taken: set[str]) -> str:
    first, *others = name.upper().split()
    tail = "".join(word[0] for word in others)
    for length in range(2, len(first) + 1):
        symbol = first[:length] + tail
        if symbol not in taken:
            return symbol
    return f"{first}{len(taken)}"
