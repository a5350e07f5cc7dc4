"""The language of the command line: gettext's choice by LANGUAGE, LC_ALL, LC_MESSAGES and LANG.

Importing this binds the catalogues. The texts of click itself follow: it asks gettext's present domain.
"""

import gettext

from seawall.settings import CATALOGUES

DOMAIN = "seawall"

gettext.bindtextdomain(DOMAIN, CATALOGUES)
gettext.textdomain(DOMAIN)
