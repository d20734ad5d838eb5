import java.io.File;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import java.io.ByteArrayInputStream;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** Verifies every signature of one stored transcript with the JDK's own XML Signature, one answer a line. */
public final class VerifyTranscript {
    private static final String DS = XMLSignature.XMLNS;

    private VerifyTranscript() {}

    public static void main(String[] arguments) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new File(arguments[0]));
        NodeList signatures = document.getElementsByTagNameNS(DS, "Signature");
        for (int index = 0; index < signatures.getLength(); index++) {
            System.out.println(answer((Element) signatures.item(index), document));
        }
    }

    private static String answer(Element element, Document document) throws Exception {
        String carried = element.getElementsByTagNameNS(DS, "X509Certificate").item(0).getTextContent();
        byte[] encoded = Base64.getMimeDecoder().decode(carried);
        X509Certificate certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(encoded));
        DOMValidateContext context = new DOMValidateContext(certificate.getPublicKey(), element);
        context.setProperty("org.jcp.xml.dsig.secureValidation", true);
        markIdentifiers(document.getDocumentElement(), context);
        XMLSignature signature = XMLSignatureFactory.getInstance("DOM").unmarshalXMLSignature(context);
        if (signature.validate(context)) {
            return "valid";
        }
        StringBuilder reason = new StringBuilder("invalid");
        for (Object reference : signature.getSignedInfo().getReferences()) {
            Reference one = (Reference) reference;
            reason.append(one.validate(context) ? "" : " " + one.getURI());
        }
        return reason.toString();
    }

    private static void markIdentifiers(Element element, DOMValidateContext context) {
        if (element.hasAttribute("Id")) {
            context.setIdAttributeNS(element, null, "Id");
        }
        for (org.w3c.dom.Node child = element.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child instanceof Element inner) {
                markIdentifiers(inner, context);
            }
        }
    }
}
