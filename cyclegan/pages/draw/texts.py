"""The sentences of the page Draw."""

from cyclegan.pages.languages import Text

TAB = Text("Draw", "그리기", "绘制")
INTRO = Text(
    "Draw a house front: drag boxes, first a facade, then windows and a door on it. The networks turn it into a photo "
    "as you draw.",
    "건물 정면을 그려 보세요. 상자를 끌어 먼저 외벽을, 그 위에 창문과 문을 그립니다. 그리는 동안 신경망이 사진으로 "
    "바꿉니다.",
    "画一个建筑立面：拖出方框，先画墙面，再在上面画窗户和门。网络会随着你的绘制将其转换为照片。",
)
CLASSES = {
    "background": Text("Background", "배경", "背景"),
    "facade": Text("Facade", "외벽", "墙面"),
    "window": Text("Window", "창문", "窗户"),
    "door": Text("Door", "문", "门"),
    "cornice": Text("Cornice", "코니스", "檐口"),
    "sill": Text("Sill", "창턱", "窗台"),
    "balcony": Text("Balcony", "발코니", "阳台"),
    "blind": Text("Blind", "블라인드", "百叶窗"),
    "deco": Text("Deco", "장식", "装饰"),
    "molding": Text("Molding", "몰딩", "线脚"),
    "pillar": Text("Pillar", "기둥", "柱子"),
    "shop": Text("Shop", "상점", "店铺"),
}
"""`facades.CLASSES`, as visitors read them."""
HINTS = {
    "background": Text("all that is not the house", "건물이 아닌 모든 것", "建筑以外的一切"),
    "facade": Text("the wall of the house, begin with it", "건물의 벽, 여기서 시작하세요", "建筑的墙，从这里画起"),
    "window": Text("with its frame", "창틀까지 포함합니다", "包括窗框"),
    "door": Text("the way into the house", "건물로 들어가는 곳", "进入建筑的地方"),
    "cornice": Text("the ledge above a window", "창문 위의 장식 턱", "窗户上方的装饰檐"),
    "sill": Text("the ledge below a window", "창문 아래의 턱", "窗户下方的台面"),
    "balcony": Text("with its railing", "난간까지 포함합니다", "包括栏杆"),
    "blind": Text("shutters and awnings of a window", "창문의 덧문과 가리개", "窗户的遮板和遮帘"),
    "deco": Text("ornaments: a relief, a statue, a painting", "부조, 조각상, 벽화 같은 꾸밈", "浮雕、雕像、壁画等"),
    "molding": Text("a decorated stripe across the front", "정면을 가로지르는 장식 띠", "横贯立面的装饰带"),
    "pillar": Text("a decorated stripe upwards", "위로 뻗은 장식 띠", "向上延伸的装饰带"),
    "shop": Text("shop windows and their signs", "진열창과 간판", "橱窗和招牌"),
}
"""What the classes mean, for who has never read of the dataset."""
LABELS = {
    "tools": Text("Tools", "도구", "工具"),
    "box": Text("Box", "상자", "方框"),
    "brush": Text("Brush", "붓", "画笔"),
    "fill": Text("Fill", "채우기", "填充"),
    "snap": Text("Snap to grid", "격자에 맞추기", "对齐网格"),
    "size": Text("Size", "크기", "大小"),
    "undo": Text("Undo", "실행 취소", "撤销"),
    "redo": Text("Redo", "다시 실행", "重做"),
    "clear": Text("Clear", "지우기", "清空"),
    "classes": Text("What to draw", "그릴 것", "画什么"),
    "start": Text("Start from one of these", "이 중 하나로 시작하기", "从其中之一开始"),
    "random": Text("Random facade", "무작위 건물", "随机立面"),
    "seed": Text("or seed", "또는 시드", "或种子"),
    "open": Text("Open picture", "그림 열기", "打开图片"),
    "save": Text("Save PNG", "PNG 저장", "保存 PNG"),
    "canvas": Text("Your drawing", "내 그림판", "你的画布"),
    "at": Text.same("{x}, {y}: {name}"),
    "hint": Text.same("{name}: {hint}"),
    "unreadable": Text(
        "This file cannot be read as a picture; use PNG.",
        "그림으로 읽을 수 없는 파일입니다. PNG를 사용해 주세요.",
        "无法将此文件读取为图片；请使用 PNG。",
    ),
    "photo": Text(
        "This looks like a photo; open a label map in the colours of the classes.",
        "사진인 것 같습니다. 클래스 색으로 된 라벨 맵을 열어 주세요.",
        "这看起来是照片；请打开使用类别颜色的标签图。",
    ),
    "lost": Text(
        "The facade did not come; try again, or reload the page.",
        "건물을 받지 못했습니다. 다시 시도하거나 페이지를 새로고침해 주세요.",
        "没有收到立面；请重试，或刷新页面。",
    ),
    "help": Text(
        "With keys, on the drawing: arrows move (Shift: one pixel), Space begins and ends a stroke, Esc gives it up; "
        "1 to 9, 0, - and = choose a class, B, P and F a tool; Ctrl+Z and Ctrl+Y undo and redo.",
        "키보드로 그림판에서: 화살표로 이동(Shift: 1픽셀), 스페이스로 선을 시작하고 끝내며 Esc로 취소합니다. "
        "1~9, 0, -, =로 클래스를, B, P, F로 도구를 고르고, Ctrl+Z와 Ctrl+Y로 실행 취소와 다시 실행을 합니다.",
        "在画布上使用键盘：方向键移动（Shift：1 像素），空格键开始和结束一笔，Esc 放弃；"
        "1 至 9、0、-、= 选择类别，B、P、F 选择工具；Ctrl+Z 和 Ctrl+Y 撤销和重做。",
    ),
}
"""Words of the painter, and its help."""
PICTURE_ALT = Text(
    "What {title} makes of your drawing", "{title}가 내 그림으로 만든 사진", "{title} 根据你的绘制生成的照片"
)
LOST = Text(
    "The picture did not come; it is asked for again. If it stays away, reload the page.",
    "사진을 받지 못해 다시 요청합니다. 계속 나타나지 않으면 페이지를 새로고침해 주세요.",
    "没有收到照片，正在重新请求。若一直没有出现，请刷新页面。",
)
USE = Text("Watch them learn to build it", "이 건물을 배워 가는 과정 보기", "观看它们如何学会建造")
NOT_A_BOX = Text(
    "Box {number} is {box!r}; a box is a class name and left, top, right, bottom: whole numbers from 0 to {side}, "
    "left below right and top below bottom. The classes are: {classes}.",
    "{number}번 상자는 {box!r}입니다. 상자는 클래스 이름과 left, top, right, bottom으로 이루어지며, 0에서 {side}까지의 "
    "정수이고 left < right, top < bottom이어야 합니다. 클래스: {classes}.",
    "第 {number} 个方框是 {box!r}；方框由类别名称和 left、top、right、bottom 组成：0 到 {side} 的整数，"
    "且 left < right，top < bottom。类别有：{classes}。",
)
BAD_SEED = Text(
    "The seed must be a whole number from 0 to {limit}.",
    "시드는 0에서 {limit}까지의 정수여야 합니다.",
    "种子必须是 0 到 {limit} 的整数。",
)
