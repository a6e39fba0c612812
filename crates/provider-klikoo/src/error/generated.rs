//! The service's error codes, written by hand.
//!
//! Status, case and message are those of the APIs Response Code page. The order is the page's.

token_core::error_codes! {
    /// A case of failure that is documented for Klikoo: by HTTP status and case number, as the same number means another thing under another status.
    pub enum KlikooErrorCode by crate::code::case_code {
        TimestampMismatch: "400/6505", 400, "Waktu tidak sesuai", ClockSkew, CorrectClock, "the timestamp is not the service's time";
        SignatureMismatch: "400/6508", 400, "Signature tidak sesuai", ClientRefused, FixConfiguration, "the signature is not of the registered key, or not over what was sent";
        ValidationFailed: "400/6510", 400, "Validasi Error", RequestRefused, FixConfiguration, "the body is not valid";
        EmptyField: "400/6512", 400, "Field tidak boleh kosong", RequestRefused, FixConfiguration, "a field is empty";
        ProductMismatch: "400/6525", 400, "Produk tidak sesuai", RequestRefused, FixConfiguration, "the product does not fit";
        UuidMismatch: "400/6568", 400, "UUID tidak sesuai", ClientRefused, FixConfiguration, "the client id is not a UUID";
        GrantTypeMismatch: "400/6569", 400, "Grant type tidak sesuai", RequestRefused, FixConfiguration, "the grant type is wrong";
        TokenMismatch: "401/6500", 401, "Token tidak sesuai", TokenRefused, Refresh, "the access token is invalid";
        TokenExpired: "401/6535", 401, "Token kadaluarsa", TokenRefused, Refresh, "the access token is over";
        CredentialMismatch: "401/6570", 401, "Kredensial tidak sesuai", ClientRefused, FixConfiguration, "the client id or the client secret is wrong";
        VerificationNeeded: "403/6524", 403, "Butuh verifikasi terlebih dahulu", AccessDenied, ContactService, "the account is not verified yet";
        NotB2b: "403/6567", 403, "User type bukan b2b", AccessDenied, ContactService, "the account is not of the type b2b";
        AddressNotAllowed: "403/6571", 403, "IP tidak ada di dalam whitelist", AccessDenied, FixConfiguration, "the caller's IP address is not on the whitelist";
        NotIrs: "403/6572", 403, "User type bukan irs", AccessDenied, ContactService, "the account is not of the type irs";
        ProductNotFitting: "404/6525", 404, "Produk tidak sesuai", RequestRefused, FixConfiguration, "no product of this kind";
        UserNotFound: "404/7001", 404, "Gagal ambil data user", RequestRefused, ContactService, "the user is not known";
        CustomerNotFound: "404/7002", 404, "No Customer tidak ditemukan", RequestRefused, FixRequest, "the customer is not known";
        ProductNotFound: "404/7003", 404, "Produk tidak ditemukan", RequestRefused, FixRequest, "the product is not known";
        TransactionNotFound: "404/7005", 404, "Transaksi tidak ditemukan", RequestRefused, FixRequest, "the transaction is not known";
        AccountDisabled: "404/7009", 404, "Akun telah dinonaktifkan atau diblokir", AccessDenied, ContactService, "the account is disabled or blocked";
        CustomerNumberWrong: "404/7011", 404, "No pelanggan salah", RequestRefused, FixRequest, "the customer number is wrong";
        LastInstalment: "404/7012", 404, "Angsuran terakhir", RequestRefused, FixRequest, "the last instalment is paid at a branch";
        ReferenceUsed: "409/6563", 409, "ReferenceNo sudah digunakan", RequestRefused, FixRequest, "the reference number was used before";
        StorageWriteFailed: "500/8504", 500, "Gagal merubah data ke database", Server, Retry, "the service could not write to its database";
        StorageReadFailed: "500/8505", 500, "Gagal mengambil data dari database", Server, Retry, "the service could not read from its database";
        TokenStoreFailed: "500/8601", 500, "Gagal masukan data ke redis", Server, Retry, "the service could not store the token";
        UserDataMissing: "500/9975", 500, "Data user belum di set", RequestRefused, ContactService, "the account is not set up completely";
        ProviderUnknown: "500/9992", 500, "Provider tidak diketahui", RequestRefused, ContactService, "the account's provider is not known";
        AskAdministrator: "500/9999", 500, "Harap hubungi admin", Server, Retry, "a fault at the service; if it stays, its staff has to see to it";
        NotImplemented: "501/9976", 501, "Belum di implementasi", RequestRefused, FixConfiguration, "the service does not have this function yet";
        SupplierDown: "503/9991", 503, "Supplier sedang gangguan", Server, Wait, "a supplier of the service has a fault";
        AmountTooSmall: "503/9998", 503, "Jumlah pembayaran harus lebih besar", RequestRefused, FixRequest, "the amount is too small, which stays so";
    }
}
