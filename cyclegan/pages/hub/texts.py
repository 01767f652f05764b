"""What a visitor reads about the Hugging Face Hub."""

from cyclegan.hub.errors import HubFault
from cyclegan.pages.languages import Text

FIELD = Text("Hub repository", "Hub 저장소", "Hub 仓库")
PLACEHOLDER = Text.same("Hugging Face: owner/name")
LOAD = Text("Load", "불러오기", "加载")
CANCEL = Text("Cancel", "취소", "取消")
BACK = Text("Back", "돌아가기", "返回")
ASKING = Text(
    "Asking the Hub for {repository} ...", "Hub에서 {repository} 찾는 중...", "正在向 Hub 查询 {repository} ..."
)
FETCHING = Text(
    "Fetching {repository}: {done} of {total} MB",
    "{repository} 받는 중: {total}MB 중 {done}MB",
    "正在获取 {repository}：{done} / {total} MB",
)
TOO_MANY = Text(
    "At most {count} repositories can be shown at a time. Name fewer.",
    "저장소는 한 번에 최대 {count}개까지 볼 수 있습니다. 더 적게 입력해 주세요.",
    "一次最多显示 {count} 个仓库。请减少数量。",
)
EPOCH_OF = Text("epoch {epoch} of {repository}", "{repository}의 {epoch} 에포크", "{repository} 的第 {epoch} 轮")
DISCRIMINATORS_OF = Text("the discriminators of {repository}", "{repository}의 판별자", "{repository} 的判别器")
FAULTS: dict[HubFault, Text] = {
    "name": Text(
        "Write the repository as owner/name or owner/name@revision.",
        "저장소를 owner/name 또는 owner/name@revision 형식으로 입력해 주세요.",
        "请按 owner/name 或 owner/name@revision 的形式填写仓库。",
    ),
    "missing": Text(
        "The Hub has no repository {repository}, or it is private. Check the name, or log in where this app runs: "
        "`hf auth login`, or set HF_TOKEN.",
        "Hub에 {repository} 저장소가 없거나 비공개입니다. 이름을 확인하거나, 이 앱이 실행되는 컴퓨터에서 "
        "`hf auth login`으로 로그인하거나 HF_TOKEN을 설정해 주세요.",
        "Hub 上没有仓库 {repository}，或它是私有的。请检查名称，或在运行本应用的机器上登录："
        "`hf auth login`，或设置 HF_TOKEN。",
    ),
    "gated": Text(
        "{repository} is gated. Ask for access on its page on the Hub, then log in where this app runs: "
        "`hf auth login`, or set HF_TOKEN.",
        "{repository}은(는) 접근 제한 저장소입니다. Hub의 저장소 페이지에서 접근을 요청한 다음, "
        "이 앱이 실행되는 컴퓨터에서 `hf auth login`으로 로그인하거나 HF_TOKEN을 설정해 주세요.",
        "{repository} 需要申请访问。请在其 Hub 页面申请，然后在运行本应用的机器上登录："
        "`hf auth login`，或设置 HF_TOKEN。",
    ),
    "revision": Text(
        "{repository} has no such revision. Leave @... out for the newest.",
        "{repository}에는 해당 리비전이 없습니다. 최신 버전을 보려면 @... 부분을 빼 주세요.",
        "{repository} 没有这个版本。去掉 @... 即为最新版本。",
    ),
    "login": Text(
        "The Hub does not let this app read {repository}. Log in again where it runs: `hf auth login`, or set "
        "HF_TOKEN.",
        "Hub가 이 앱의 {repository} 읽기를 허용하지 않습니다. 앱이 실행되는 컴퓨터에서 `hf auth login`으로 다시 "
        "로그인하거나 HF_TOKEN을 설정해 주세요.",
        "Hub 不允许本应用读取 {repository}。请在运行本应用的机器上重新登录：`hf auth login`，或设置 HF_TOKEN。",
    ),
    "limit": Text(
        "The Hub is being asked too often. Wait a few minutes and try again; it allows more to those who log in.",
        "Hub에 요청이 너무 많습니다. 몇 분 뒤에 다시 시도해 주세요. 로그인하면 더 많이 요청할 수 있습니다.",
        "对 Hub 的请求过于频繁。请等几分钟再试；登录后可以请求更多次。",
    ),
    "trouble": Text(
        "The Hub has trouble at the moment. Try again later.",
        "지금 Hub에 문제가 있습니다. 나중에 다시 시도해 주세요.",
        "Hub 目前出现故障。请稍后再试。",
    ),
    "network": Text(
        "The Hub does not answer, so {repository} cannot be fetched. Check the network and try again.",
        "Hub가 응답하지 않아 {repository}을(를) 받을 수 없습니다. 네트워크를 확인하고 다시 시도해 주세요.",
        "Hub 没有响应，无法获取 {repository}。请检查网络后重试。",
    ),
    "disk": Text(
        "{repository} cannot be kept: the disk is full, or may not be written. Free some space where this app runs, or "
        "set HF_HOME to another disk.",
        "디스크가 가득 찼거나 쓸 수 없어 {repository}을(를) 저장할 수 없습니다. 앱이 실행되는 컴퓨터에서 공간을 "
        "확보하거나 HF_HOME을 다른 디스크로 설정해 주세요.",
        "无法保存 {repository}：磁盘已满或不可写。请在运行本应用的机器上腾出空间，或将 HF_HOME 设到另一块磁盘。",
    ),
    "incomplete": Text(
        "{repository} did not arrive as it is on the Hub. Try again.",
        "{repository}이(가) 온전히 도착하지 않았습니다. 다시 시도해 주세요.",
        "{repository} 未能完整送达。请重试。",
    ),
    "foreign": Text(
        "{repository} holds no run of this program, and no generator of pytorch-CycleGAN-and-pix2pix.",
        "{repository}에는 이 프로그램의 실행 결과도, pytorch-CycleGAN-and-pix2pix의 생성기도 없습니다.",
        "{repository} 中没有本程序的训练结果，也没有 pytorch-CycleGAN-and-pix2pix 的生成器。",
    ),
    "newer": Text(
        "{repository} was made by a newer version of this program: update it.",
        "{repository}은(는) 이 프로그램의 더 새로운 버전으로 만들어졌습니다. 프로그램을 업데이트해 주세요.",
        "{repository} 由本程序的更新版本生成：请更新程序。",
    ),
    "refused": Text(
        "{repository} holds files that are damaged, or not what they should be. It is not opened.",
        "{repository}에 손상되었거나 올바르지 않은 파일이 있어 열지 않았습니다.",
        "{repository} 中有损坏或不符合要求的文件，因此没有打开。",
    ),
}
"""By the faults of `cyclegan.hub.errors`."""
