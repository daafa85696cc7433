"""The phrasebook's words: English forms, Japanese, and what may be combined with what.

Japanese is written with "|" between morphemes; grammar.py removes them (they only guide the SentencePiece
training). One English expression has one Japanese rendering everywhere.
"""

# Subjects: English | Japanese | person and number (1s 2 3s 1p 3p)
PRONOUNS = [
    row.split()
    for row in """
I 私 1s
you あなた 2
he 彼 3s
she 彼女 3s
we 私|たち 1p
they 彼|ら 3p
""".strip().splitlines()
]
OBJECT_PRONOUN = {"I": "me", "you": "you", "he": "him", "she": "her", "we": "us", "they": "them"}
POSSESSIVES = {
    "my": "私|の",
    "your": "あなた|の",
    "his": "彼|の",
    "her": "彼女|の",
    "our": "私|たち|の",
    "their": "彼|ら|の",
}

# Family: English | one's own | somebody else's (after a possessive)
FAMILY = [
    row.split("/")
    for row in """
father/父/お父さん
mother/母/お母さん
older brother/兄/お兄さん
younger brother/弟/弟さん
older sister/姉/お姉さん
younger sister/妹/妹さん
grandfather/祖父/おじいさん
grandmother/祖母/おばあさん
uncle/叔父/おじさん
aunt/叔母/おばさん
son/息子/息子さん
daughter/娘/娘さん
friend/友達/友達
boss/上司/上司
neighbor/隣|の|人/隣|の|人
cousin/いとこ/いとこ
""".strip().splitlines()
]

# People by what they do: English / Japanese / plural
PEOPLE = [
    row.split("/")
    for row in """
teacher/先生/teachers
student/学生/students
doctor/医者/doctors
nurse/看護師/nurses
lawyer/弁護士/lawyers
driver/運転手/drivers
police officer/警察官/police officers
singer/歌手/singers
engineer/技術者/engineers
writer/作家/writers
painter/画家/painters
farmer/農家/farmers
child/子供/children
boy/男|の|子/boys
girl/女|の|子/girls
man/男|の|人/men
woman/女|の|人/women
tourist/観光客/tourists
customer/お客さん/customers
waiter/ウェイター/waiters
soldier/兵士/soldiers
scientist/科学者/scientists
baker/パン屋/bakers
dentist/歯医者/dentists
""".strip().splitlines()
]
NAMES = [
    row.split()
    for row in """
Tanaka 田中
Sato 佐藤
Suzuki 鈴木
Yamada 山田
Ito 伊藤
Watanabe 渡辺
Kobayashi 小林
Kato 加藤
""".strip().splitlines()
]
FIRST_NAMES = [
    row.split()
    for row in """
Tom トム
Mary メアリー
John ジョン
Emma エマ
Anna アンナ
Peter ピーター
""".strip().splitlines()
]

# Things: English / plural ("-" if not counted) / Japanese / counter / classes
THINGS = [
    row.split("/")
    for row in """
book/books/本/冊/reading goods small
magazine/magazines/雑誌/冊/reading goods small
dictionary/dictionaries/辞書/冊/reading goods small
notebook/notebooks/ノート/冊/goods small stationery
novel/novels/小説/冊/reading writing
newspaper/newspapers/新聞/部/reading
letter/letters/手紙/通/writing mail reading
report/reports/報告書/通/writing reading
email/emails/メール/通/writing mail reading
postcard/postcards/葉書/枚/goods mail writing
poem/poems/詩/編/writing reading
pen/pens/ペン/本/goods small stationery
pencil/pencils/鉛筆/本/goods small stationery
umbrella/umbrellas/傘/本/goods small personal
banana/bananas/バナナ/本/food fruit
carrot/carrots/にんじん/本/food vegetable
ticket/tickets/切符/枚/goods personal small
stamp/stamps/切手/枚/goods small
photo/photos/写真/枚/picture small
picture/pictures/絵/枚/picture goods
plate/plates/皿/枚/dish goods small
map/maps/地図/枚/goods small reading
shirt/shirts/シャツ/枚/clothes goods
blanket/blankets/毛布/枚/goods laundry
sweater/sweaters/セーター/枚/clothes goods
coat/coats/コート/着/clothes goods
dress/dresses/ドレス/着/clothes goods
hat/hats/帽子/個/hat goods personal
apple/apples/りんご/個/food fruit
orange/oranges/オレンジ/個/food fruit
peach/peaches/桃/個/food fruit
egg/eggs/卵/個/food
potato/potatoes/じゃがいも/個/food vegetable
onion/onions/玉ねぎ/個/food vegetable
cake/cakes/ケーキ/個/food homemade
sandwich/sandwiches/サンドイッチ/個/food homemade
box/boxes/箱/個/goods heavy openable
bag/bags/鞄/個/goods personal heavy openable
suitcase/suitcases/スーツケース/個/goods personal heavy openable
cup/cups/コップ/個/dish goods small
wallet/wallets/財布/個/goods personal small
key/keys/鍵/個/personal small
chair/chairs/椅子/脚/goods furniture
desk/desks/机/台/goods furniture
table/tables/テーブル/台/goods furniture
bed/beds/ベッド/台/goods furniture
car/cars/車/台/goods vehicle machine
bicycle/bicycles/自転車/台/goods vehicle machine
computer/computers/パソコン/台/goods machine
camera/cameras/カメラ/台/goods machine personal small
telephone/telephones/電話/台/goods machine small
clock/clocks/時計/個/goods machine small
radio/radios/ラジオ/台/goods machine switch
television/televisions/テレビ/台/goods machine switch
piano/pianos/ピアノ/台/instrument
guitar/guitars/ギター/本/instrument
violin/violins/バイオリン/台/instrument
dog/dogs/犬/匹/animal
cat/cats/猫/匹/animal
bird/birds/鳥/羽/animal
horse/horses/馬/頭/animal
rabbit/rabbits/うさぎ/羽/animal
cow/cows/牛/頭/animal
flower/flowers/花/本/goods plant
tree/trees/木/本/plant
rose/roses/ばら/本/goods plant
house/houses/家/軒/building
shoes/-/靴/足/shoes goods
window/windows/窓/枚/openable
door/doors/ドア/枚/openable
song/songs/歌/曲/song
movie/movies/映画/本/show
play/plays/芝居/本/show
lamp/lamps/電灯/個/switch goods
package/packages/荷物/個/heavy mail
knife/knives/ナイフ/本/dish goods small
spoon/spoons/スプーン/本/dish small goods
present/presents/プレゼント/個/goods
doll/dolls/人形/個/goods small toy
toy/toys/おもちゃ/個/goods small toy
ring/rings/指輪/個/goods personal small
fish/-/魚/匹/food
meat/-/肉/-/food
bread/-/パン/-/food homemade
rice/-/ご飯/-/food
soup/-/スープ/-/food homemade warm
sushi/-/寿司/-/food homemade
cheese/-/チーズ/-/food
chocolate/-/チョコレート/-/food
salad/-/サラダ/-/food homemade
breakfast/-/朝ご飯/-/meal
lunch/-/昼ご飯/-/meal
dinner/-/晩ご飯/-/meal
water/-/水/-/drink
tea/-/お茶/-/drink warm
coffee/-/コーヒー/-/drink warm
milk/-/牛乳/-/drink warm
beer/-/ビール/-/drink
wine/-/ワイン/-/drink
juice/-/ジュース/-/drink
money/-/お金/-/money
medicine/-/薬/-/medicine
Japanese/-/日本|語/-/language
English/-/英語/-/language
French/-/フランス|語/-/language
Chinese/-/中国|語/-/language
Spanish/-/スペイン|語/-/language
German/-/ドイツ|語/-/language
history/-/歴史/-/subject
mathematics/-/数学/-/subject
music/-/音楽/-/subject art
science/-/科学/-/subject
art/-/美術/-/subject
tennis/-/テニス/-/sport
soccer/-/サッカー/-/sport
baseball/-/野球/-/sport
chess/-/チェス/-/sport
golf/-/ゴルフ/-/sport
homework/-/宿題/-/task
""".strip().splitlines()
]

# Where things happen: English / Japanese / kinds (event: something is done there, goal: one goes there)
PLACES = [
    row.split("/")
    for row in """
the station/駅/event goal spot
the school/学校/event goal spot
the library/図書館/event goal spot
the park/公園/event goal spot
the hospital/病院/event goal spot
the restaurant/レストラン/event goal spot
the hotel/ホテル/event goal spot
the supermarket/スーパー/event goal spot
the post office/郵便局/event goal spot
the bank/銀行/event goal spot
the airport/空港/event goal spot
the museum/博物館/event goal spot
the beach/海岸/event goal
the market/市場/event goal spot
the university/大学/event goal spot
the church/教会/event goal spot
the temple/お寺/event goal spot
the bookstore/本屋/event goal spot
the cafe/喫茶店/event goal spot
the department store/デパート/event goal spot
the police station/警察署/goal spot
the theater/劇場/event goal spot
the village/村/event goal
the zoo/動物園/event goal spot
the factory/工場/event goal spot
the harbor/港/event goal
the kitchen/台所/event room
the garden/庭/event room
the office/事務所/event goal room
the classroom/教室/event room
the living room/居間/event room
the bedroom/寝室/event room
Tokyo/東京/event goal city
Kyoto/京都/event goal city
Osaka/大阪/event goal city
Nara/奈良/event goal city
Sapporo/札幌/event goal city
Yokohama/横浜/event goal city
London/ロンドン/event goal city
Paris/パリ/event goal city
New York/ニューヨーク/event goal city
Japan/日本/event goal city
France/フランス/event goal city
America/アメリカ/event goal city
China/中国/event goal city
""".strip().splitlines()
]
POSITIONS = {
    "on": "上",
    "under": "下",
    "in": "中",
    "in front of": "前",
    "behind": "後ろ",
    "next to": "隣",
    "near": "近く",
}
MEANS = {
    "by train": "電車",
    "by bus": "バス",
    "by car": "車",
    "by bicycle": "自転車",
    "by taxi": "タクシー",
    "by plane": "飛行機",
    "by ship": "船",
    "by subway": "地下鉄",
}

# Verbs: base / 3rd person / past / participle / -ing / Japanese dictionary form / class (g godan, i ichidan,
# s suru, k kuru) / particle of the object / classes of the object, or kind of intransitive
VERBS = [
    row.split("/")
    for row in """
eat/eats/ate/eaten/eating/食べる/i/を/food meal
drink/drinks/drank/drunk/drinking/飲む/g/を/drink
buy/buys/bought/bought/buying/買う/g/を/goods food drink
sell/sells/sold/sold/selling/売る/g/を/goods food
read/reads/read/read/reading/読む/g/を/reading
write/writes/wrote/written/writing/書く/g/を/writing
watch/watches/watched/watched/watching/見る/i/を/show sport animal
see/sees/saw/seen/seeing/見る/i/を/picture animal plant
make/makes/made/made/making/作る/g/を/homemade meal clothes toy
open/opens/opened/opened/opening/開ける/i/を/openable
close/closes/closed/closed/closing/閉める/i/を/openable
wash/washes/washed/washed/washing/洗う/g/を/dish clothes vehicle fruit vegetable laundry
carry/carries/carried/carried/carrying/運ぶ/g/を/heavy furniture
send/sends/sent/sent/sending/送る/g/を/mail
receive/receives/received/received/receiving/受け取る/g/を/mail
borrow/borrows/borrowed/borrowed/borrowing/借りる/i/を/reading vehicle stationery money machine
forget/forgets/forgot/forgotten/forgetting/忘れる/i/を/personal task
lose/loses/lost/lost/losing/失くす/g/を/personal money
find/finds/found/found/finding/見つける/i/を/personal animal small
break/breaks/broke/broken/breaking/壊す/g/を/machine toy
repair/repairs/repaired/repaired/repairing/修理|する/s/を/machine shoes furniture building
use/uses/used/used/using/使う/g/を/machine dish stationery
choose/chooses/chose/chosen/choosing/選ぶ/g/を/goods clothes
study/studies/studied/studied/studying/勉強|する/s/を/language subject
learn/learns/learned/learned/learning/習う/g/を/language instrument sport
teach/teaches/taught/taught/teaching/教える/i/を/language subject
speak/speaks/spoke/spoken/speaking/話す/g/を/language
understand/understands/understood/understood/understanding/理解|する/s/を/language subject
sing/sings/sang/sung/singing/歌う/g/を/song
paint/paints/painted/painted/painting/描く/g/を/picture plant
order/orders/ordered/ordered/ordering/注文|する/s/を/food drink
cut/cuts/cut/cut/cutting/切る/g/を/fruit vegetable
cook/cooks/cooked/cooked/cooking/料理|する/s/を/vegetable
grow/grows/grew/grown/growing/育てる/i/を/plant vegetable
play/plays/played/played/playing/する/s/を/sport
practice/practices/practiced/practiced/practicing/練習|する/s/を/sport instrument
hide/hides/hid/hidden/hiding/隠す/g/を/money small
collect/collects/collected/collected/collecting/集める/i/を/stationery toy money
sketch/sketches/sketched/sketched/sketching/写生|する/s/を/animal building
draw/draws/drew/drawn/drawing/描く/g/を/picture animal
wear/wears/wore/worn/wearing/着る/i/を/clothes
pay/pays/paid/paid/paying/払う/g/を/money
finish/finishes/finished/finished/finishing/終える/i/を/task meal
touch/touches/touched/touched/touching/触る/g/に/machine animal
ride/rides/rode/ridden/riding/乗る/g/に/vehicle
throw away/throws away/threw away/thrown away/throwing away/捨てる/i/を/clothes toy goods
turn on/turns on/turned on/turned on/turning on/つける/i/を/switch
turn off/turns off/turned off/turned off/turning off/消す/g/を/switch
take/takes/took/taken/taking/飲む/g/を/medicine
meet/meets/met/met/meeting/会う/g/に/person
call/calls/called/called/calling/呼ぶ/g/を/person
help/helps/helped/helped/helping/助ける/i/を/person
visit/visits/visited/visited/visiting/訪ねる/i/を/person
wait for/waits for/waited for/waited for/waiting for/待つ/g/を/person
invite/invites/invited/invited/inviting/招待|する/s/を/person
thank/thanks/thanked/thanked/thanking/感謝|する/s/に/person
photograph/photographs/photographed/photographed/photographing/撮影|する/s/を/person animal
believe/believes/believed/believed/believing/信じる/i/を/person
go/goes/went/gone/going/行く/g/-/motion
come/comes/came/come/coming/来る/k/-/motion
return/returns/returned/returned/returning/戻る/g/-/motion
walk/walks/walked/walked/walking/歩く/g/-/alone span
run/runs/ran/run/running/走る/g/-/alone span
swim/swims/swam/swum/swimming/泳ぐ/g/-/alone span
sleep/sleeps/slept/slept/sleeping/寝る/i/-/alone
work/works/worked/worked/working/働く/g/-/alone span
rest/rests/rested/rested/resting/休む/g/-/alone span
dance/dances/danced/danced/dancing/踊る/g/-/alone span
laugh/laughs/laughed/laughed/laughing/笑う/g/-/alone
cry/cries/cried/cried/crying/泣く/g/-/alone
shout/shouts/shouted/shouted/shouting/叫ぶ/g/-/alone
travel/travels/traveled/traveled/traveling/旅行|する/s/-/alone span
wait/waits/waited/waited/waiting/待つ/g/-/alone span
get up/gets up/got up/gotten up/getting up/起きる/i/-/rise
""".strip().splitlines()
]
# Verbs that take a receiver: "gave the book to my mother".
GIVING = [
    row.split("/")
    for row in """
give/gives/gave/given/giving/あげる/i/を/goods plant
show/shows/showed/shown/showing/見せる/i/を/picture personal goods
lend/lends/lent/lent/lending/貸す/g/を/reading vehicle money stationery
send/sends/sent/sent/sending/送る/g/を/mail goods
return/returns/returned/returned/returning/返す/g/を/reading money machine
hand/hands/handed/handed/handing/渡す/g/を/mail small money
""".strip().splitlines()
]

# Adjectives: English / comparative / Japanese (with い or な) / classes
ADJECTIVES = [
    row.split("/")
    for row in """
big/bigger/大きい/thing place animal
small/smaller/小さい/thing place animal
new/newer/新しい/thing place
old/older/古い/thing place
expensive/more expensive/高い/thing
cheap/cheaper/安い/thing
heavy/heavier/重い/thing
light/lighter/軽い/thing
long/longer/長い/thing
short/shorter/短い/thing
red/-/赤い/color
blue/-/青い/color
white/-/白い/color animal
black/-/黒い/color animal
yellow/-/黄色い/color
interesting/more interesting/面白い/content
boring/more boring/つまらない/content
difficult/more difficult/難しい/content
easy/easier/簡単な/content
useful/more useful/有益な/content
delicious/more delicious/おいしい/taste
sweet/sweeter/甘い/taste
spicy/spicier/辛い/taste
fresh/fresher/新鮮な/taste
hot/hotter/熱い/warm
cold/colder/冷たい/warm
beautiful/more beautiful/きれいな/thing place
famous/more famous/有名な/place person
quiet/quieter/静かな/place person
lively/livelier/賑やかな/place
convenient/more convenient/便利な/place
important/more important/大切な/thing content
strange/stranger/変な/thing
wonderful/more wonderful/素敵な/thing place
dangerous/more dangerous/危険な/place
bright/brighter/明るい/place
dark/darker/暗い/place
spacious/more spacious/広い/place
dirty/dirtier/汚い/thing place
tall/taller/背|が|高い/person
young/younger/若い/person
strong/stronger/強い/person animal
kind/kinder/親切な/person
busy/busier/忙しい/person
healthy/healthier/元気な/person animal
cheerful/more cheerful/陽気な/person
rich/richer/裕福な/person
cute/cuter/かわいい/animal
clever/cleverer/賢い/person animal
lazy/lazier/怠惰な/person
honest/more honest/正直な/person
lonely/lonelier/寂しい/person
sleepy/sleepier/眠い/person
serious/more serious/真面目な/person
""".strip().splitlines()
]

NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
TENS = {
    20: "twenty",
    30: "thirty",
    40: "forty",
    50: "fifty",
    60: "sixty",
    70: "seventy",
    80: "eighty",
    90: "ninety",
}
TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = dict(zip("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(), "月火水木金土日"))

PAST_TIMES = {
    "yesterday": "昨日",
    "last week": "先週",
    "last month": "先月",
    "last year": "去年",
    "last night": "昨夜",
    "this morning": "今朝",
    "the day before yesterday": "一昨日",
    "an hour ago": "一|時間|前|に",
    "three days ago": "三|日|前|に",
    "two weeks ago": "二|週間|前|に",
    "ten years ago": "十|年|前|に",
}
FUTURE_TIMES = {
    "tomorrow": "明日",
    "next week": "来週",
    "next month": "来月",
    "next year": "来年",
    "tonight": "今夜",
    "this afternoon": "今日|の|午後",
    "the day after tomorrow": "明後日",
    "soon": "もうすぐ",
    "this weekend": "今週|の|週末",
}
HABITS = {
    "every day": "毎日",
    "every morning": "毎朝",
    "every evening": "毎晩",
    "every week": "毎週",
    "every month": "毎月",
    "every year": "毎年",
}
FREQUENCIES = {"always": "いつも", "often": "よく", "sometimes": "時々"}
PROGRESSIVE_TIMES = {"now": "今"}

# Reasons: English clause / Japanese plain clause before ので
REASONS = [
    row.split("/")
    for row in """
it was raining/雨|が|降っ|て|い|た
it was snowing/雪|が|降っ|て|い|た
it was very cold/とても|寒かっ|た
it was very hot/とても|暑かっ|た
the weather was good/天気|が|良かっ|た
the weather was bad/天気|が|悪かっ|た
the train was late/電車|が|遅れ|た
the shop was closed/店|が|閉まっ|て|い|た
it was a holiday/休日|だっ|た
there was no time/時間|が|なかっ|た
there was no money/お金|が|なかっ|た
the road was crowded/道|が|混ん|で|い|た
my mother was sick/母|が|病気|だっ|た
the children were sleeping/子供|たち|が|寝|て|い|た
""".strip().splitlines()
]

# Whole sentences that do not compose.
PHRASES = [
    row.split("/")
    for row in """
Good morning./おはよう|ございます|。
Good evening./こんばんは|。
Good night./おやすみなさい|。
Hello./こんにちは|。
Goodbye./さようなら|。
Thank you./ありがとう|。
Thank you very much./どうも|ありがとう|ございます|。
You are welcome./どう|いたし|まし|て|。
Nice to meet you./はじめまして|。
Excuse me./すみません|。
I am sorry./ごめんなさい|。
See you tomorrow./また|明日|。
See you next week./また|来週|。
How are you?/お|元気|です|か|。
I am fine./私|は|元気|です|。
Congratulations!/おめでとう|ございます|！
Happy birthday!/お|誕生日|おめでとう|ございます|！
Please wait a moment./少々|お|待ち|ください|。
What is your name?/お|名前|は|何|です|か|。
What time is it now?/今|何|時|です|か|。
Welcome to Japan./日本|へ|ようこそ|。
I do not know./知り|ませ|ん|。
Of course./もちろん|です|。
""".strip().splitlines()
]
