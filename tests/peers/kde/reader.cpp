// Says as JSON what KDE's KPkPass finds in a pass, as it shows it in one language: reader FILE LANGUAGE
#include <KPkPass/Barcode>
#include <KPkPass/Field>
#include <KPkPass/Pass>

#include <QColor>
#include <QCoreApplication>
#include <QImage>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QMetaEnum>
#include <QTextStream>
#include <QUrl>

static QJsonArray fields(const QVector<KPkPass::Field> &given)
{
    QJsonArray found;
    for (const auto &field : given) {
        found.append(QJsonObject{{"key", field.key()},
                                 {"label", field.label()},
                                 {"value", field.valueDisplayString()},
                                 {"change_message", field.changeMessage()}});
    }
    return found;
}

static QJsonArray sizes(const KPkPass::Pass &pass, const QString &name)
{
    QJsonArray found;
    for (const unsigned ratio : {1U, 2U, 3U}) {
        const auto image = pass.image(name, ratio);
        found.append(QJsonArray{image.width(), image.height()});
    }
    return found;
}

int main(int count, char **arguments)
{
    const QCoreApplication application(count, arguments);
    if (count != 3) {
        QTextStream(stderr) << "reader FILE LANGUAGE\n";
        return 2;
    }
    QLocale::setDefault(QLocale(QString::fromUtf8(arguments[2])));
    const std::unique_ptr<KPkPass::Pass> pass(KPkPass::Pass::fromFile(QString::fromUtf8(arguments[1])));
    if (!pass) {
        QTextStream(stderr) << "not a pass\n";
        return 1;
    }
    QJsonArray barcodes;
    for (const auto &barcode : pass->barcodes()) {
        const auto format = QMetaEnum::fromType<KPkPass::Barcode::Format>().valueToKey(barcode.format());
        barcodes.append(QJsonObject{{"format", QString::fromLatin1(format)},
                                    {"message", barcode.message()},
                                    {"encoding", barcode.messageEncoding()},
                                    {"text", barcode.alternativeText()}});
    }
    const auto type = QMetaEnum::fromType<KPkPass::Pass::Type>().valueToKey(pass->type());
    const QJsonObject found{
        {"type", QString::fromLatin1(type)},
        {"pass_type", pass->passTypeIdentifier()},
        {"serial", pass->serialNumber()},
        {"token", pass->authenticationToken()},
        {"service", pass->webServiceUrl().toString()},
        {"logo_text", pass->logoText()},
        {"colours", QJsonArray{pass->backgroundColor().name(), pass->foregroundColor().name(), pass->labelColor().name()}},
        {"header", fields(pass->headerFields())},
        {"primary", fields(pass->primaryFields())},
        {"secondary", fields(pass->secondaryFields())},
        {"auxiliary", fields(pass->auxiliaryFields())},
        {"back", fields(pass->backFields())},
        {"barcodes", barcodes},
        {"icon", sizes(*pass, QStringLiteral("icon"))},
        {"logo", sizes(*pass, QStringLiteral("logo"))},
        {"strip", sizes(*pass, QStringLiteral("strip"))},
    };
    QTextStream out(stdout);
    out.setCodec("UTF-8");
    out << QJsonDocument(found).toJson(QJsonDocument::Compact) << '\n';
    return 0;
}
