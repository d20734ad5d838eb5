/* The reference: libxml2 and OpenSSL doing the same checks on the same bytes, in C.
 *
 * reads  XSD file, then a file of transcripts: each a 4-byte big-endian length and the bytes
 * does   parse, validate, and for every Signature: canonicalise and digest each Reference, canonicalise
 *        SignedInfo, verify SignatureValue with the key of X509Certificate
 * prints processor microseconds for one transcript, the median over the rounds, and how many were good
 * omits  gunzip, rules, paths, registration, policy, receipts, compression: it is a floor, not a service
 */
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXCLUSIVE "http://www.w3.org/2001/10/xml-exc-c14n#"

static int is_named(xmlNodePtr node, const char *name) {
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static xmlNodePtr child(xmlNodePtr node, const char *name) {
    for (xmlNodePtr at = node ? node->children : NULL; at; at = at->next)
        if (is_named(at, name)) return at;
    return NULL;
}

static xmlNodePtr by_id(xmlNodePtr node, const char *id) {
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE) continue;
        xmlAttrPtr attribute = xmlHasProp(node, BAD_CAST "Id");
        if (attribute && attribute->children && strcmp((const char *)attribute->children->content, id) == 0) return node;
        xmlNodePtr found = by_id(node->children, id);
        if (found) return found;
    }
    return NULL;
}

static unsigned char *decode(xmlNodePtr node, int *length) {
    xmlChar *text = xmlNodeGetContent(node);
    unsigned char *out = malloc(strlen((char *)text) + 4);
    int n = 0;
    EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
    EVP_DecodeInit(context);
    EVP_DecodeUpdate(context, out, length, text, (int)strlen((char *)text));
    EVP_DecodeFinal(context, out + *length, &n);
    *length += n;
    EVP_ENCODE_CTX_free(context);
    xmlFree(text);
    return out;
}

/* Only the subtree is walked: it is lent to a document of its own, under a copy of its root. */
static xmlOutputBufferPtr canonical(xmlDocPtr document, xmlNodePtr node, int is_exclusive) {
    xmlOutputBufferPtr buffer = xmlAllocOutputBuffer(NULL);
    xmlDocPtr alone = xmlCopyDoc(document, 0);
    xmlNodePtr root = xmlDocCopyNode(node, alone, 2);
    xmlDocSetRootElement(alone, root);
    root->children = node->children;
    root->last = node->last;
    for (xmlNodePtr at = node->children; at; at = at->next) at->parent = root;
    xmlC14NExecute(alone, NULL, NULL, is_exclusive ? XML_C14N_EXCLUSIVE_1_0 : XML_C14N_1_0, NULL, 0, buffer);
    for (xmlNodePtr at = node->children; at; at = at->next) at->parent = node;
    root->children = root->last = NULL;
    xmlFreeDoc(alone);
    return buffer;
}

static const EVP_MD *digest_of(const char *uri) {
    if (strstr(uri, "sha384")) return EVP_sha384();
    if (strstr(uri, "sha512")) return EVP_sha512();
    return EVP_sha256();
}

static int reference_holds(xmlDocPtr document, xmlNodePtr reference) {
    xmlChar *uri = xmlGetProp(reference, BAD_CAST "URI");
    xmlNodePtr target = by_id(xmlDocGetRootElement(document), (char *)uri + 1);
    int is_exclusive = 0;
    xmlNodePtr transforms = child(reference, "Transforms");
    for (xmlNodePtr at = transforms ? transforms->children : NULL; at; at = at->next) {
        xmlChar *algorithm = at->type == XML_ELEMENT_NODE ? xmlGetProp(at, BAD_CAST "Algorithm") : NULL;
        if (algorithm && strcmp((char *)algorithm, EXCLUSIVE) == 0) is_exclusive = 1;
        xmlFree(algorithm);
    }
    xmlChar *method = xmlGetProp(child(reference, "DigestMethod"), BAD_CAST "Algorithm");
    unsigned char computed[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    int length = 0, holds = 0;
    if (target) {
        xmlOutputBufferPtr octets = canonical(document, target, is_exclusive);
        EVP_Digest(xmlOutputBufferGetContent(octets), xmlOutputBufferGetSize(octets), computed, &size,
                   digest_of((char *)method), NULL);
        xmlOutputBufferClose(octets);
        unsigned char *stated = decode(child(reference, "DigestValue"), &length);
        holds = (unsigned int)length == size && memcmp(stated, computed, size) == 0;
        free(stated);
    }
    xmlFree(uri);
    xmlFree(method);
    return holds;
}

static int value_holds(xmlDocPtr document, xmlNodePtr signature) {
    xmlNodePtr info = child(signature, "SignedInfo");
    xmlChar *form = xmlGetProp(child(info, "CanonicalizationMethod"), BAD_CAST "Algorithm");
    xmlChar *method = xmlGetProp(child(info, "SignatureMethod"), BAD_CAST "Algorithm");
    int length = 0, certificate_length = 0, holds = 0;
    unsigned char *value = decode(child(signature, "SignatureValue"), &length);
    unsigned char *der = decode(child(child(child(signature, "KeyInfo"), "X509Data"), "X509Certificate"), &certificate_length);
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, certificate_length);
    xmlOutputBufferPtr octets = canonical(document, info, strcmp((char *)form, EXCLUSIVE) == 0);
    unsigned char *wrapped = value;
    if (strstr((char *)method, "ecdsa")) {
        ECDSA_SIG *pair = ECDSA_SIG_new();
        ECDSA_SIG_set0(pair, BN_bin2bn(value, length / 2, NULL), BN_bin2bn(value + length / 2, length / 2, NULL));
        wrapped = NULL;
        length = i2d_ECDSA_SIG(pair, &wrapped);
        ECDSA_SIG_free(pair);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    holds = EVP_DigestVerifyInit(context, NULL, digest_of((char *)method), NULL, X509_get0_pubkey(certificate)) == 1 &&
            EVP_DigestVerify(context, wrapped, length, xmlOutputBufferGetContent(octets), xmlOutputBufferGetSize(octets)) == 1;
    EVP_MD_CTX_free(context);
    if (wrapped != value) OPENSSL_free(wrapped);
    xmlOutputBufferClose(octets);
    X509_free(certificate);
    free(der);
    free(value);
    xmlFree(form);
    xmlFree(method);
    return holds;
}

static int is_good(xmlSchemaPtr schema, const char *bytes, int length) {
    xmlDocPtr document = xmlReadMemory(bytes, length, NULL, NULL, XML_PARSE_NONET);
    if (!document) return 0;
    xmlSchemaValidCtxtPtr validator = xmlSchemaNewValidCtxt(schema);
    int good = xmlSchemaValidateDoc(validator, document) == 0;
    xmlSchemaFreeValidCtxt(validator);
    xmlNodePtr holders = child(xmlDocGetRootElement(document), "DanhSachChuKy");
    for (xmlNodePtr holder = holders ? holders->children : NULL; good && holder; holder = holder->next) {
        xmlNodePtr signature = holder->type == XML_ELEMENT_NODE ? child(holder, "Signature") : NULL;
        if (!signature) continue;
        for (xmlNodePtr at = child(signature, "SignedInfo")->children; good && at; at = at->next)
            if (is_named(at, "Reference")) good = reference_holds(document, at);
        good = good && value_holds(document, signature);
    }
    xmlFreeDoc(document);
    return good;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    xmlInitParser();
    xmlSchemaPtr schema = xmlSchemaParse(xmlSchemaNewParserCtxt(arguments[1]));
    FILE *file = fopen(arguments[2], "rb");
    int rounds = atoi(arguments[3]), transcripts = 0, good = 0;
    static char *texts[4096];
    static int lengths[4096];
    unsigned char head[4];
    while (transcripts < 4096 && fread(head, 1, 4, file) == 4) {
        lengths[transcripts] = head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
        texts[transcripts] = malloc(lengths[transcripts]);
        if (fread(texts[transcripts], 1, lengths[transcripts], file) != (size_t)lengths[transcripts]) return 2;
        transcripts++;
    }
    if (!schema || !transcripts || rounds < 1 || rounds > 1000) return 2;
    double each[1000];
    for (int round = 0; round < rounds; round++) {
        clock_t from = clock();
        good = 0;
        for (int i = 0; i < transcripts; i++) good += is_good(schema, texts[i], lengths[i]);
        each[round] = 1e6 * (double)(clock() - from) / CLOCKS_PER_SEC / transcripts;
    }
    qsort(each, rounds, sizeof *each, ascending);
    printf("%.1f %d\n", each[rounds / 2], good);
    return 0;
}
