//! Stable error numbers, sorted by whose fault, with advice for the clerk in two languages.

use serde::{Deserialize, Serialize};

/// Whose fault an error is; the thousands of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 1xxx: the calling system sent something wrong.
    Caller,
    /// 2xxx: the rules do not allow it.
    Policy,
    /// 3xxx: the authority could not help.
    Authority,
    /// 4xxx: this cluster could not help.
    Us,
}

macro_rules! error_numbers {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $vi:literal, $en:literal;)*) => {
        /// An error's number, which never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        #[repr(u16)]
        pub enum ErrorNumber {
            $($(#[$doc])* $name = $number,)*
        }

        impl ErrorNumber {
            /// Every number there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What a clerk can do about it, in Vietnamese.
            #[must_use]
            pub const fn advice_vi(self) -> &'static str {
                match self { $(Self::$name => $vi,)* }
            }

            /// What a clerk can do about it, in English.
            #[must_use]
            pub const fn advice_en(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }
        }

        impl TryFrom<u16> for ErrorNumber {
            type Error = &'static str;
            fn try_from(number: u16) -> Result<Self, Self::Error> {
                match number {
                    $($number => Ok(Self::$name),)*
                    _ => Err("an error number this version does not know"),
                }
            }
        }
    };
}

error_numbers! {
    /// The bytes are no message.
    MalformedMessage = 1001, "Phần mềm gửi yêu cầu sai định dạng; báo quản trị cổng.", "The portal sent a malformed request; tell its operator.";
    /// The message is larger than allowed.
    MessageTooLarge = 1002, "Yêu cầu quá lớn; báo quản trị cổng.", "The request is too large; tell the portal's operator.";
    /// Not twelve (or nine) digits.
    BadNumber = 1003, "Số định danh phải có 12 chữ số (CMND 9 chữ số); kiểm tra lại.", "A citizen number has 12 digits (an old one 9); check what was typed.";
    /// Not a name.
    BadName = 1004, "Họ tên trống, quá dài hoặc có ký tự lạ; nhập lại.", "The name is empty, too long or has strange characters; type it again.";
    /// Not a day.
    BadDate = 1005, "Ngày không tồn tại; nhập lại.", "There is no such day; type it again.";
    /// Not a place code.
    BadPlace = 1006, "Mã địa bàn không hợp lệ.", "The place code is not valid.";
    /// Not an identifier.
    BadIdentifier = 1007, "Mã hồ sơ, mã cán bộ hoặc mã thủ tục không hợp lệ.", "The dossier, official or procedure id is not valid.";
    /// Neither claim nor attribute.
    EmptyQuestion = 1008, "Yêu cầu không hỏi gì.", "The request asks nothing.";
    /// More claims than allowed.
    TooManyClaims = 1009, "Quá nhiều nội dung cần xác minh trong một yêu cầu.", "Too many claims in one request.";
    /// The request id was used for another question.
    RequestIdReused = 1010, "Mã yêu cầu đã dùng cho câu hỏi khác; báo quản trị cổng.", "The request id belongs to another question; tell the portal's operator.";
    /// The time in the request id is outside the window.
    RequestIdExpired = 1011, "Mã yêu cầu quá hạn hoặc đồng hồ máy sai; gửi lại yêu cầu mới.", "The request id is too old or the clock is wrong; send a new request.";
    /// The caller's role may not do this.
    RoleNotAllowed = 1012, "Chứng thư không có quyền này.", "The certificate's role does not allow this.";
    /// More questions at once than allowed.
    TooManyInFlight = 1013, "Cổng gửi quá nhiều yêu cầu cùng lúc; thử lại sau giây lát.", "Too many questions at once; try again in a moment.";
    /// A frame did not arrive in time.
    TooSlow = 1014, "Yêu cầu gửi quá chậm; kiểm tra đường truyền.", "The request arrived too slowly; check the line.";
    /// The register revision sent is not newer than the one in force.
    RegisterRevision = 1015, "Phiên bản danh mục không mới hơn bản đang dùng.", "The register revision is not newer than the one in force.";
    /// No request of this id has a leaf, or it is another portal's.
    RequestUnknown = 1016, "Không có yêu cầu nào với mã này.", "There is no request of this id.";
    /// What was known about the person was erased by law.
    Erased = 1017, "Dữ liệu về người này đã bị xoá theo quy định.", "What was kept about the person was erased by law.";
    /// A name in an encoding of before Unicode.
    NameEncoding = 1018, "Họ tên gõ bằng bảng mã cũ (TCVN3 hoặc VNI); chuyển sang Unicode rồi gửi lại.", "The name is typed in an old encoding (TCVN3 or VNI); convert it to Unicode and send it again.";
    /// A birth, or the issue of a card, on a day to come.
    DateInFuture = 1019, "Ngày ở tương lai; kiểm tra lại.", "The day is still to come; check what was typed.";
    /// Entries of that time are older than the log keeps them.
    NoLongerKept = 1020, "Mục nhật ký của thời điểm đó đã hết thời hạn lưu trữ.", "Entries of that time are no longer kept.";

    /// The portal is not in the register.
    PortalUnknown = 2001, "Cổng chưa được đăng ký.", "The portal is not registered.";
    /// The portal is suspended.
    PortalSuspended = 2002, "Cổng đang bị tạm dừng.", "The portal is suspended.";
    /// The official is not enrolled by this portal.
    OfficialUnknown = 2003, "Cán bộ chưa được cổng đăng ký.", "The official is not enrolled by this portal.";
    /// No such procedure.
    ProcedureUnknown = 2004, "Thủ tục không có trong danh mục.", "The procedure is not in the register.";
    /// The portal may not use the procedure.
    ProcedureNotGranted = 2005, "Cổng không được dùng thủ tục này.", "The portal may not use this procedure.";
    /// The official may not use the procedure.
    OfficialNotGranted = 2006, "Cán bộ không được giao thủ tục này.", "The official may not use this procedure.";
    /// The procedure does not allow a claim.
    ClaimNotAllowed = 2007, "Thủ tục không cho phép xác minh nội dung này.", "The procedure does not allow this claim.";
    /// The procedure does not allow an attribute.
    AttributeNotAllowed = 2008, "Thủ tục không cho phép khai thác thông tin này.", "The procedure does not allow this attribute.";
    /// Too many unconfirmed people of one official.
    MissBudgetSpent = 2009, "Quá nhiều lần không xác nhận được; liên hệ người phụ trách.", "Too many unconfirmed questions; see the supervisor.";
    /// Too many unconfirmed people of the portal's officials.
    PortalMissesSpent = 2010, "Cổng có quá nhiều lần không xác nhận được; báo quản trị cổng.", "Too many unconfirmed questions from this portal; tell its operator.";
    /// Too many unconfirmed people of everybody.
    ClusterMissesSpent = 2011, "Toàn hệ thống có quá nhiều lần không xác nhận được; báo quản trị hệ thống.", "Too many unconfirmed questions from everybody; tell the cluster's operator.";
    /// What was granted to the portal or the official was granted until a day that is over.
    GrantEnded = 2021, "Thời hạn được giao đã hết; liên hệ người quản trị để gia hạn.", "The time this was granted for is over; ask the operator to renew it.";

    /// The authority could not be reached.
    AuthorityUnavailable = 3001, "Chưa tra cứu được CSDL quốc gia; phiếu này là căn cứ để nhận giấy tờ.", "The national database cannot be reached; this answer is the ground for accepting paper.";
    /// What is remembered is too old.
    RecordTooOld = 3002, "Dữ liệu đã lưu cũ hơn mức cho phép; phiếu này là căn cứ để nhận giấy tờ.", "The data held is older than allowed; this answer is the ground for accepting paper.";
    /// Several people share the old number.
    Ambiguous = 3003, "Số CMND trùng nhiều người; hỏi số định danh 12 chữ số.", "Several people share the old number; ask for the 12-digit number.";
    /// The record is being corrected.
    UnderCorrection = 3004, "Dữ liệu đang được điều chỉnh; phiếu này là căn cứ để nhận giấy tờ.", "The record is being corrected; this answer is the ground for accepting paper.";
    /// The number was replaced.
    NumberReissued = 3005, "Số định danh đã hủy và cấp lại; hỏi số mới.", "The number was cancelled and re-issued; ask for the new one.";
    /// The authority has nothing recorded for what was asked.
    NotRecorded = 3006, "CSDL quốc gia chưa ghi nhận thông tin này; phiếu này là căn cứ để nhận giấy tờ.", "The national database has nothing recorded here; this answer is the ground for accepting paper.";
    /// The record holds a year of birth alone and the day is needed.
    DayUnknown = 3007, "CSDL quốc gia chỉ ghi năm sinh; phiếu này là căn cứ để nhận giấy tờ về ngày sinh.", "The national database holds the year of birth alone; this answer is the ground for accepting paper on the day.";
    /// The number was cancelled and none is on record in its place.
    NumberCancelled = 3008, "Số định danh đã bị hủy và chưa ghi nhận số cấp lại; phiếu này là căn cứ để nhận giấy tờ.", "The number was cancelled and no other is on record; this answer is the ground for accepting paper.";

    /// No leader, or not caught up.
    NotReady = 4001, "Hệ thống đang chuyển đổi; phần mềm sẽ tự gửi lại.", "The cluster is changing over; the client will retry.";
    /// The answer could not be audited in time.
    DeadlineExceeded = 4002, "Hết thời gian chờ; gửi lại cùng mã yêu cầu.", "Out of time; send the same request id again.";
    /// Too much at once for everybody.
    Overloaded = 4003, "Hệ thống quá tải; thử lại sau giây lát.", "The cluster is overloaded; try again in a moment.";
    /// The node is going down.
    ShuttingDown = 4004, "Máy chủ đang dừng; phần mềm sẽ hỏi máy khác.", "The node is stopping; the client will ask another.";
    /// A defect of ours.
    Internal = 4005, "Lỗi hệ thống; báo quản trị.", "A defect of ours; tell the operator.";
}

impl ErrorNumber {
    /// The number itself.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self.number() / 1000 {
            1 => Fault::Caller,
            2 => Fault::Policy,
            3 => Fault::Authority,
            _ => Fault::Us,
        }
    }

    /// Whether the same request may be sent again, with the same id.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::TooManyInFlight | Self::NotReady | Self::DeadlineExceeded | Self::Overloaded | Self::ShuttingDown
        )
    }
}

impl From<ErrorNumber> for u16 {
    fn from(number: ErrorNumber) -> Self {
        number.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_sorted_and_found_again() {
        assert!(ErrorNumber::ALL.is_sorted_by(|before, after| before.number() < after.number()));
        for number in ErrorNumber::ALL {
            assert_eq!(ErrorNumber::try_from(number.number()), Ok(*number));
            assert!((1001..5000).contains(&number.number()), "{number:?}");
            assert!(!number.advice_vi().is_empty() && !number.advice_en().is_empty());
        }
        assert!(ErrorNumber::try_from(0).is_err());
        assert!(ErrorNumber::try_from(1000).is_err());
        assert!(ErrorNumber::try_from(u16::MAX).is_err());
    }

    #[test]
    fn nothing_that_was_decided_is_retryable() {
        for number in ErrorNumber::ALL {
            assert!(!number.is_retryable() || matches!(number.fault(), Fault::Us | Fault::Caller), "{number:?}");
        }
        assert!(!ErrorNumber::Internal.is_retryable());
    }
}
