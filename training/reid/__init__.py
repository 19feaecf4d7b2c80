"""Person re-identification with synthesised pictures: the downstream task of PCDMs (Table 2), IMAGPose (Table 4) and
RePoseDM (Table 4).
"""
