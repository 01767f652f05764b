"""The sentences of the page Batch."""

from cyclegan.pages.languages import Text

TAB = Text("Many pictures", "여러 그림", "批量处理")
INTRO = Text(
    "Translate up to {count} pictures at once: choose files or a zip with folders, and get a zip of the same names.",
    "한 번에 최대 {count}장까지 변환합니다. 파일이나 폴더가 담긴 zip을 선택하면 같은 이름으로 담긴 zip을 돌려드립니다.",
    "一次最多转换 {count} 张图片：选择文件或带文件夹的 zip，即可获得同名结果的 zip。",
)
FILES = Text("Pictures or a zip", "그림 또는 zip", "图片或 zip")
NETWORK = Text("Network", "신경망", "网络")
NETWORK_CHOICE = Text.same("{title}: {route}")
RUN = Text("Translate all", "모두 변환", "全部转换")
STOP = Text("Stop", "중지", "停止")
RESULTS = Text("Results", "결과", "结果")
DOWNLOAD = Text("Download all as zip", "모두 zip으로 내려받기", "下载全部（zip）")
PROGRESS = Text("{done} of {total}: {name}", "{total}장 중 {done}장: {name}", "第 {done}/{total} 张：{name}")
FINISHED = Text("Pictures translated: {count}.", "그림 {count}장을 변환했습니다.", "已转换 {count} 张图片。")
STOPPED = Text(
    "Stopped. Pictures translated: {count}; they are in the zip.",
    "그림 {count}장에서 멈췄습니다. 그때까지의 결과가 zip에 들어 있습니다.",
    "已在 {count} 张后停止：这些结果都在 zip 中。",
)
SKIPPED = Text("Left out:", "제외된 파일:", "已跳过：")
NOTES = Text("Good to know:", "참고:", "提示：")
NO_FILES = Text("Choose pictures or a zip first.", "먼저 그림이나 zip을 선택해 주세요.", "请先选择图片或 zip。")
TOO_MANY = Text(
    "{count} files are too many; the limit is {limit}: choose fewer.",
    "파일 {count}개는 너무 많습니다. 최대 {limit}개이니 줄여 주세요.",
    "{count} 个文件太多了；上限为 {limit} 个，请减少数量。",
)
TOO_LARGE = Text(
    "These files are larger than {limit} MB together: choose fewer.",
    "파일을 모두 합치면 {limit}MB가 넘습니다. 줄여 주세요.",
    "这些文件总共超过 {limit} MB，请减少数量。",
)
BAD_ZIP = Text(
    "This zip cannot be unpacked: it is damaged, holds more than {limit} MB, or files with unsafe names.",
    "이 zip은 풀 수 없습니다. 손상되었거나, {limit}MB가 넘거나, 안전하지 않은 이름의 파일이 들어 있습니다.",
    "无法解压此 zip：文件已损坏、解压后超过 {limit} MB，或包含名称不安全的文件。",
)
