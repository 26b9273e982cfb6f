"""The SNOMED CT codes of three databases of the PhysioNet/CinC Challenge 2021, and its names for them.

After the tables of the challenge's scoring code, ``dx_mapping_scored.csv`` and ``dx_mapping_unscored.csv``
(github.com/physionetchallenges/evaluation-2021), which count each code in each database. A database has the codes that
they count at least once there, in their order. Reyna et al., "Will Two Do? Varying Dimensions in Electrocardiography:
The PhysioNet/Computing in Cardiology Challenge 2021", CinC 2021.
"""

from __future__ import annotations

SNOMED = {  # abbreviation -> code; the scored ones first
    "AF": "164889003",
    "AFL": "164890007",
    "BBB": "6374002",
    "Brady": "426627000",
    "CRBBB": "713427006",
    "IAVB": "270492004",
    "IRBBB": "713426002",
    "LAD": "39732003",
    "LAnFB": "445118002",
    "LBBB": "164909002",
    "LQRSV": "251146004",
    "NSIVCB": "698252002",
    "NSR": "426783006",
    "PAC": "284470004",
    "PR": "10370003",
    "PVC": "427172004",
    "LQT": "111975006",
    "QAb": "164917005",
    "RAD": "47665007",
    "RBBB": "59118001",
    "SA": "427393009",
    "SB": "426177001",
    "STach": "427084000",
    "SVPB": "63593006",
    "TAb": "164934002",
    "TInv": "59931005",
    "VPB": "17338001",
    "AJR": "426664006",
    "ALR": "251139008",
    "AMIs": "413444003",
    "AnMIs": "426434006",
    "AnMI": "54329005",
    "AFAFL": "195080001",
    "AH": "195126007",
    "AP": "251268003",
    "ATach": "713422000",
    "AVB": "233917008",
    "AVJR": "29320008",
    "BPAC": "251170000",
    "BTS": "74615001",
    "CAF": "426749004",
    "CD": "698247007",
    "CHB": "27885002",
    "CIAHB": "204384007",
    "CHD": "53741008",
    "CMI": "413844008",
    "DIB": "82226007",
    "ERe": "428417006",
    "HF": "84114007",
    "HVD": "368009",
    "HTV": "251259000",
    "IIAVB": "195042002",
    "IIs": "425419005",
    "ILBBB": "251120003",
    "ISTD": "704997005",
    "JE": "426995002",
    "JPC": "251164006",
    "JTach": "426648003",
    "LAA": "253352002",
    "LAE": "67741000119109",
    "LAH": "446813000",
    "LIs": "425623009",
    "LPFB": "445211001",
    "LVH": "164873001",
    "LVS": "370365005",
    "MI": "164865005",
    "MIs": "164861001",
    "NSSTTA": "428750005",
    "OldMI": "164867002",
    "PAF": "282825002",
    "RAAb": "253339007",
    "RAb": "164921003",
    "RAH": "446358003",
    "RAF": "314208002",
    "RVH": "89792004",
    "SAB": "65778007",
    "SPRI": "49578007",
    "SQT": "77867006",
    "STC": "55930002",
    "STD": "429622005",
    "STE": "164931005",
    "STIAb": "164930006",
    "SVT": "426761007",
    "UAb": "164937009",
    "VBig": "11157007",
    "VEB": "164884008",
    "VEsB": "75532003",
    "VEsR": "81898007",
    "VF": "164896001",
    "VFL": "111288001",
    "VH": "266249003",
    "VPEx": "195060002",
    "VPP": "251266004",
    "VTach": "164895002",
    "VTrig": "251180001",
    "WAP": "195101003",
    "WPW": "74390002",
}


def _names(*lines: str) -> tuple[str, ...]:
    return tuple(name for line in lines for name in line.split())


CPSC2018_EXTRA = _names(
    "AF AFL Brady CRBBB IAVB IRBBB LBBB NSIVCB NSR PAC PR PVC LQT QAb RAD RBBB SA SB STach SVPB TAb TInv",
    "VPB AMIs AnMI AFAFL AH ATach AVB AVJR BPAC BTS CAF CHB CMI DIB HTV IIAVB ILBBB ISTD JE JPC JTach LAE",
    "LAH LVH LVS MI MIs NSSTTA OldMI RAb RAH RVH SAB SPRI SQT STC STD STE STIAb SVT UAb VBig VEsB VEsR VF",
    "VFL VH VPEx VTach VTrig",
)
PTB = _names(
    "AF AFL BBB NSR STach SVPB CD CIAHB CHD HF HVD MI PAF RAF VF VH VTach WPW",
)
GEORGIA = _names(
    "AF AFL BBB Brady CRBBB IAVB IRBBB LAD LAnFB LBBB LQRSV NSIVCB NSR PAC LQT QAb RAD RBBB SA SB STach",
    "SVPB TAb TInv VPB AJR ALR AMIs AnMIs AFAFL AH AP ATach AVB CHB ERe IIAVB IIs ILBBB JE JTach LAA LAE",
    "LIs LPFB LVH MI NSSTTA RAAb RAb RVH SPRI STC STD STE STIAb SVT VBig VEB VEsR VF VH VPEx VPP VTrig",
    "WAP WPW",
)
# what the challenge scores as one diagnosis
SAME = {"SVPB": "PAC", "VPB": "PVC", "CRBBB": "RBBB"}
SCORED = tuple(name for name in tuple(SNOMED)[:27] if name not in SAME)


def scored_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scored classes among those of a database, in the challenge's order; two of one diagnosis are one."""
    present = {SAME.get(name, name) for name in classes}
    return tuple(name for name in SCORED if name in present)
