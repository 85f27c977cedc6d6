"""The names of sites and services in the settings of the bridge. Pure."""

import re

SERVICE = r"[A-Za-z0-9_-]{1,64}"  # the name of a service whose tasks go to another site
SITE = r"(?!live\Z)[a-z0-9][a-z0-9-]{0,15}"  # the name of a site


def site_names(value: str) -> str:
    """Check the names of other sites, separated by commas; returns them unchanged. Raises ValueError with the reason."""
    names = split_names(value)
    if len(set(names)) < len(names) or not all(re.fullmatch(SITE, name) for name in names):
        raise ValueError("must be names of sites, separated by commas, each once: 1 to 16 of a-z, 0-9 and -, and not live")
    return value


def service_names(value: str) -> str:
    """Check names of services, separated by commas; returns them unchanged. Raises ValueError with the reason."""
    names = split_names(value)
    if len(set(names)) < len(names) or not all(re.fullmatch(SERVICE, name) for name in names):
        raise ValueError("must be services, separated by commas, each once: 1 to 64 of letters, digits, _ and -")
    return value


def services_at_sites(value: str) -> str:
    """Check services with their sites, as `report@nyc`; returns them unchanged. Raises ValueError with the reason."""
    pairs = [name.partition("@") for name in split_names(value)]
    well = all(re.fullmatch(SERVICE, service) and re.fullmatch(SITE, site) for service, _, site in pairs)
    if len({service for service, *_ in pairs}) < len(pairs) or not well:
        raise ValueError("must be SERVICE@SITE, such as report@nyc, separated by commas, each service once")
    return value


def split_names(value: str) -> list[str]:
    """Return the names in a list that commas separate."""
    return [name.strip() for name in value.split(",")] if value else []
