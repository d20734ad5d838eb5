"""libxmlsec1 as an independent judge of one signature."""

import base64

import xmlsec
from lxml import etree

from app.client.packaging import standing_alone
from app.client.signing import DS


def accepted_by_xmlsec(transcript: etree._Element, position: int = 0) -> bool:
    """Verify one signature of the transcript alone, as it would be stored."""
    alone = etree.fromstring(standing_alone(transcript))
    xmlsec.tree.add_ids(alone, ["Id"])
    signature = alone.findall(f".//{{{DS}}}Signature")[position]
    carried = signature.findtext(f".//{{{DS}}}X509Certificate") or ""
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(base64.b64decode(carried), xmlsec.constants.KeyDataFormatCertDer)
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True
