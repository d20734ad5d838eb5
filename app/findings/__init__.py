"""Findings (lỗi xử lý dữ liệu) and the closed catalogue of causes they may name.

One cause, one code, for ever. The catalogue is data (one TOML file a family in this folder); the code
only names its entries. Families: DD sai định dạng, MA sai mã, TR trùng dữ liệu, KS lỗi ký số,
QH quyền hạn, TH thời hạn, NV nghiệp vụ, HT hệ thống.
"""

from app.findings.catalogue import CATALOGUE, Cause, Responsible, Severity
from app.findings.finding import Finding, finding, has_errors

__all__ = ["CATALOGUE", "Cause", "Finding", "Responsible", "Severity", "finding", "has_errors"]
