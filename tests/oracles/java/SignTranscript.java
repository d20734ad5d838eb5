import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.SignedInfo;
import javax.xml.crypto.dsig.Transform;
import javax.xml.crypto.dsig.XMLObject;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.keyinfo.KeyInfoFactory;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.SignatureMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Signs a transcript with the JDK's own javax.xml.crypto, as a school's Java software would.
 *
 * Each argument is one order: input;output;keystore.p12;role;signature method;canonicalization;digest;style;transforms
 * with style "properties" or "xades", and transforms a comma-separated list of URIs. The store's password is "thu".
 */
public class SignTranscript {
    private static final String XADES = "http://uri.etsi.org/01903/v1.3.2#";
    private static final String HOCBA = "urn:hocba:1.0";
    private static final char[] PASSWORD = "thu".toCharArray();
    private static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] orders) throws Exception {
        for (String order : orders) {
            sign(order.split(";", -1));
        }
    }

    private static void sign(String[] order) throws Exception {
        DocumentBuilderFactory builders = DocumentBuilderFactory.newInstance();
        builders.setNamespaceAware(true);
        Document document = builders.newDocumentBuilder().parse(new FileInputStream(order[0]));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(order[2]), PASSWORD);
        String alias = store.aliases().nextElement();
        PrivateKey key = (PrivateKey) store.getKey(alias, PASSWORD);
        List<Certificate> chain = Arrays.asList(store.getCertificateChain(alias));

        Element list = only(document, "DanhSachChuKy");
        Element holder = document.createElementNS(HOCBA, "ChuKy");
        holder.setAttribute("vaiTro", order[3]);
        list.appendChild(holder);
        String id = "java-" + list.getChildNodes().getLength();

        DOMSignContext context = new DOMSignContext(key, holder);
        context.setDefaultNamespacePrefix("ds");
        Element content = only(document, "NoiDung");
        content.setIdAttribute("Id", true);

        Element statement = order[7].equals("xades")
            ? qualifyingProperties(document, id, (X509Certificate) chain.get(0))
            : signingTime(document);
        XMLObject object = order[7].equals("xades")
            ? FACTORY.newXMLObject(List.of(new DOMStructure(statement)), null, null, null)
            : FACTORY.newXMLObject(List.of(FACTORY.newSignatureProperties(
                List.of(FACTORY.newSignatureProperty(
                    List.of(new DOMStructure(statement)), "#" + id, null)), id + "-time")), null, null, null);
        String type = order[7].equals("xades") ? "http://uri.etsi.org/01903#SignedProperties" : null;

        List<Reference> references = List.of(
            reference("#" + content.getAttribute("Id"), order[6], transforms(order[8], true), null),
            reference("#" + id + "-time", order[6], transforms(order[8], false), type));
        SignedInfo signedInfo = FACTORY.newSignedInfo(
            FACTORY.newCanonicalizationMethod(order[5], (C14NMethodParameterSpec) null),
            FACTORY.newSignatureMethod(order[4], (SignatureMethodParameterSpec) null),
            references);
        KeyInfoFactory keyInfos = FACTORY.getKeyInfoFactory();
        List<Object> carried = new ArrayList<>();
        carried.add(((X509Certificate) chain.get(0)).getSubjectX500Principal().getName());
        carried.addAll(chain);
        KeyInfo keyInfo = keyInfos.newKeyInfo(List.of(
            keyInfos.newKeyValue(chain.get(0).getPublicKey()), keyInfos.newX509Data(carried)));
        XMLSignature signature = FACTORY.newXMLSignature(signedInfo, keyInfo, List.of(object), id, null);
        signature.sign(context);

        TransformerFactory.newInstance().newTransformer().transform(
            new DOMSource(document), new StreamResult(new FileOutputStream(order[1])));
    }

    private static Reference reference(String uri, String digest, List<Transform> transforms, String type)
            throws Exception {
        return FACTORY.newReference(uri, FACTORY.newDigestMethod(digest, null), transforms, type, null);
    }

    private static List<Transform> transforms(String uris, boolean isContent) throws Exception {
        List<Transform> transforms = new ArrayList<>();
        for (String uri : uris.split(",")) {
            if (!uri.isEmpty() && (isContent || !uri.equals(Transform.ENVELOPED))) {
                transforms.add(FACTORY.newTransform(uri, (TransformParameterSpec) null));
            }
        }
        return transforms;
    }

    private static Element signingTime(Document document) {
        Element time = document.createElementNS(null, "SigningTime");
        time.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns", "");
        time.setTextContent("2026-05-28T09:30:00");
        return time;
    }

    private static Element qualifyingProperties(Document document, String id, X509Certificate certificate)
            throws Exception {
        Element qualifying = document.createElementNS(XADES, "xades:QualifyingProperties");
        qualifying.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:xades", XADES);
        qualifying.setAttribute("Target", "#" + id);
        Element signed = child(qualifying, XADES, "xades:SignedProperties");
        signed.setAttribute("Id", id + "-time");
        signed.setIdAttribute("Id", true);
        Element properties = child(signed, XADES, "xades:SignedSignatureProperties");
        child(properties, XADES, "xades:SigningTime").setTextContent("2026-05-28T09:30:00+07:00");
        Element cert = child(child(properties, XADES, "xades:SigningCertificateV2"), XADES, "xades:Cert");
        Element digest = child(cert, XADES, "xades:CertDigest");
        child(digest, XMLSignature.XMLNS, "ds:DigestMethod")
            .setAttribute("Algorithm", "http://www.w3.org/2001/04/xmlenc#sha512");
        byte[] value = MessageDigest.getInstance("SHA-512").digest(certificate.getEncoded());
        child(digest, XMLSignature.XMLNS, "ds:DigestValue").setTextContent(Base64.getEncoder().encodeToString(value));
        return qualifying;
    }

    private static Element child(Element parent, String namespace, String name) {
        Element element = parent.getOwnerDocument().createElementNS(namespace, name);
        if (name.startsWith("ds:")) {
            element.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:ds", namespace);
        }
        parent.appendChild(element);
        return element;
    }

    private static Element only(Document document, String name) {
        NodeList found = document.getElementsByTagNameNS(HOCBA, name);
        if (found.getLength() != 1) {
            throw new IllegalArgumentException(name);
        }
        return (Element) found.item(0);
    }
}
