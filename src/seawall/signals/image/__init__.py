"""Images: pixels → PDQ.

In come decoded 8-bit RGB pixels, shape (height, width, 3); out comes their PDQ hash with its quality, alone or in all
eight turned and mirrored forms. This room never judges a picture: low quality is reported, not dropped.
"""

from seawall.signals.image.pdq import NATIVE, Pdq, compute, compute_dihedral

__all__ = ["NATIVE", "Pdq", "compute", "compute_dihedral"]
